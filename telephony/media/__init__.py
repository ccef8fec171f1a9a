"""Sound on the wire: RTP and SRTP, codecs, jitter, key presses, and the thread that serves all calls.

Touch `engine` for the thread and its ticker, `session` for one call's media, `receiver` and `sender` for each way,
`jitter` and `loss_concealment` for bad lines, `encoders` for a codec, `dtmf` for keys. May import sip, and types of
sdp.
"""
