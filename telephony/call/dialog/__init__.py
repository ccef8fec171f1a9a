"""An answered call: its leg, and what either side does in its dialog.

Touch `sipleg` for what a bot may do with a call, `closing_leg` for how it ends, `usage` for which request goes to whom,
`offer_answer` for re-INVITE and UPDATE, `refer_in` and `refer_out` for transfers, `session_timer`, `dtmf_info` and
`termination` for what they say.
"""
