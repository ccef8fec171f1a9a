"""A call's life: `inbound` until it is answered here, `outbound` until it is answered there, then `dialog`.

Touched for what a user agent does with a request; `accounting` gives places on trunks back, `dialog_table` finds the
dialog of a request. Imports `sip`, `sdp`, `media` and `trunk`.
"""
