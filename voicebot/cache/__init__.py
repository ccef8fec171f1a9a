"""What can be made again, on disk, so that a restart is quick: spoken prompts, trained classifiers.

Touch `cache_folder` for how files are written, checked and bounded; what is kept, and under which key, is decided in
the room that makes it. Imports no other room.
"""
