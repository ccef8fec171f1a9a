"""``voicebot bench turns``: when a caller's turn is taken to be over."""
