"""A call's life: taken or placed, changed, transferred and ended."""
