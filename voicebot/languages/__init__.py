"""All that belongs to one language: a folder each, named by its primary subtag (BCP 47).

English alone is listened for and understood so far; another language that is spoken needs its rules in a folder here
and its entry in tts/text_normalisation.py. May import no room."""
