"""Bringing a human in: reach one of the configured targets, tell him what it is about, join the two parties."""
