"""A call that comes to us, from its INVITE to its answer or refusal.

Touch `screening` for who may open a call and on what terms, `admission` and `callers_without_trunk` for how many,
`incoming` for ringing, early media, the answer and CANCEL, `replaces` for calls that take another one's place.
"""
