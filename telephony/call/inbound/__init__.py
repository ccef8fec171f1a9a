"""A call that comes in: `screening` says whether and on what terms, `incoming` rings until it is decided.

Touched for a check of an INVITE (the cheap ones come first), a limit, early media, or who may take over a call.
"""
