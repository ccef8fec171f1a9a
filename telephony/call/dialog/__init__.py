"""An answered call: `SipLeg`, and what acts in its dialog, one kind of request a file.

Touched for hold, transfer, keys by INFO, session timers, PRACK, or how a call ends (`termination`). `early` is the same
dialog before the answer.
"""
