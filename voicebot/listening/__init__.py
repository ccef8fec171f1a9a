"""Listening to a call: voice activity, whose turn it is, barge-in, echo; events say what the caller did.

Times and thresholds are in timing.py, the states in turn_machine.py, how long to wait in endpointing.py, who may stop a
prompt in barge_in.py. May import asr, languages and engines."""
