"""Where a call goes: ordered rules over what is known of it, and what of that the dialog may see. No I/O.

Touched for a condition or a target of a rule, opening hours, numbers, or what is believed of a caller (STIR/SHAKEN).
Imports `sip`.
"""
