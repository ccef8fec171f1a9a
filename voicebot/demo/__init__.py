"""Northwind, the made-up company whose phone the demo answers: a small HTTP service on a SQLite database.

Touch `company` for its requests, `store` for its rules, `seed` for what is in it on the first day, `process` for how it
is started. It is a program of its own, as a real backend would be, and imports no other room.
"""
