"""Sound on the wire: RTP and SRTP, codecs, jitter, key presses, and the thread that serves all calls.

Touched for a codec, the jitter buffer, encryption, or what is counted of a call. Imports `sip`, and types of `sdp`.
"""
