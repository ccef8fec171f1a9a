"""Recognition: an utterance's audio and what the dialog waits for go in, a `Transcript` with confidences comes out.

A new recogniser is a file in recognisers/; a new kind of answer touches grammars.py; what is no speech, rejection.py.
May import languages and engines; asr/learn, which makes weights at set-up, speaks with tts, too."""
