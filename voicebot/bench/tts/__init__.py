"""``voicebot bench tts``: how soon, how loud and how clearly prompts are spoken."""
