"""Northwind, the made-up company whose phone the demo answers: a small HTTP service on a SQLite database.

What is in its database on the first day is in seed.py, its rules are in store.py, its HTTP interface in company.py.
May import no room."""
