"""Backends: what flows look up and do. `Catalog` reads the actions file, `Actions` runs it within limits.

Touch `schema` for what an actions file may say, `http`, `sql` and `function` for how each kind is done, `guard` for
which addresses are allowed, `runner` for limits, second tries and the audit line. Imports no other room.
"""
