"""Sound on the wire: RTP and SRTP, codecs, jitter, key presses, and the thread that serves all calls.

Touch `engine` for the thread and its ticker, `session` for one call's media, `receiver` and `sender` for each way,
`source_lock` for whom to believe, `life_signs` for when to give up, `jitter`, `stream_restart` and `loss_concealment`
for bad lines, `encoders` for a codec, `dtmf` for keys. May import sip, and types of sdp.
"""
