"""``voicebot bench edge``: how much the telephony by itself carries."""
