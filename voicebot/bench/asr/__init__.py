"""``voicebot bench asr``: what recognition makes of recordings, right, wrong, sure or not."""
