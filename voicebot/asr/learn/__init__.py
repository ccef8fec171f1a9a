"""What the program teaches itself at set-up, out of synthetic speech: the digit layer's weights.

Who speaks is in synthetic_callers.py, what a telephone does to it in augmentation.py, the training in digit_layer.py.
May import asr and tts; nothing of it runs in a call."""
