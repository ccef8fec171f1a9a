"""A browser as a leg."""
