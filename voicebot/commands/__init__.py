"""The commands of the command line, a file each.

A new command: a file with `register(sub)`, which adds it to the parser and sets its ``func``, named in
``voicebot/cli.py``. Puts rooms together and may import all of them.
"""
