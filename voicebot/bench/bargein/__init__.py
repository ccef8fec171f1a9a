"""``voicebot bench bargein``: when a prompt stops, and for whom."""
