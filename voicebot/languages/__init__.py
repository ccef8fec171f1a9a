"""All that belongs to one language: a folder each, named by its primary subtag (BCP 47).

A language more is a folder more, with the files of en/, and its entry in tts/text_normalisation.py.
May import no room."""
