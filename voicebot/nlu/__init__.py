"""What a caller wants, from one sentence."""
