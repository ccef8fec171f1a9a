"""Bringing a human in: reach one of the configured targets, join the two parties, tell the company's systems.

Touch `human_dialler` for who is called and why nobody came, `bridge` for how two legs are joined, `webhook` and
`webhook_sink` for the written summary. What the caller hears meanwhile is in `calls.warm_transfer`. May import journal.
"""
