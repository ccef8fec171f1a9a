"""Calls, turns, actions and events in a database, written by a thread of its own, read by lists and pages.

A column: `schema`, a step of `migrations`, `rows`, `records`, `reader`; how calls look in the terminal: `show`.
May import the journal's redaction and metrics, and what any room may use; no other room.
"""
