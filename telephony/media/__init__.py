"""Sound on the wire: RTP and SRTP, codecs, jitter, key presses, and the thread that serves all calls."""
