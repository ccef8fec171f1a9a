"""The trunk doctor: what is wrong with a trunk, a route or a call, why, and what to do about it.

Touched for a check before the server runs (`trunk_check`), a probe of a peer, a test call, or what is read out of a
call's messages. Imports all rooms before it.
"""
