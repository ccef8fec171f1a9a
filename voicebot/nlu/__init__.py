"""What a caller wants, from one sentence: its intent with a calibrated confidence, and the values in it.

Touch `intents` and `classifier` for how intents are told, `commands` for what may be said at any time, `slots` for
values, `out_of_scope_examples` for what is nobody's intent, `specs` for what a flow says of both. May import languages
and the grammar builder of asr. No I/O.
"""
