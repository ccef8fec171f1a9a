"""Synthesis: prompts become phrases, phrases audio, remembered and shared; a player gives it to a leg.

A new voice is a file in voices/; the words for what is written, languages; loudness, mastering.py; markup, markup.py.
May import languages and engines; markup.py nothing, as flows and conversation read it, too."""
