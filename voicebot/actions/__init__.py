"""Backends: what flows look up and do. `Catalog` reads the actions file, `Actions` runs it within limits."""
