"""Northwind, the made-up company whose phone the demo answers: a small HTTP service on a SQLite database."""
