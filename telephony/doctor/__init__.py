"""The trunk doctor: what is wrong with a trunk, a route or a call, why, and what to do about it."""
