"""Where a call goes: ordered rules over what is known of it, and what of that the dialog may see. No I/O.

Touch `model` for what a routes file may say, `conditions` for what a rule may ask, `rules` for how one is chosen,
`lint` for what is probably not meant, `identity`, `passport` and `verstat` for what is believed of the caller. Needs
sip only.
"""
