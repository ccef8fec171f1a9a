"""English: the words that are listened for, read, written and said, one file a purpose.

A word that callers use and that is not understood goes into its table here; the rooms only look things up.
May import no room."""
