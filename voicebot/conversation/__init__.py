"""One conversation: what was heard or came back goes in, what to say and do comes out. No I/O, no clock of its own.

Touch `engine` for what goes in and out, `dispatch` for what a turn means where the dialog stands, `slot_filling` for
answers, `interpreter` for what a step of a task does, `recovery` for failures, `pending` for what is waited for and so
expected of recognition, `summary` for the human's words. May import nlu, flows, languages and the markup of tts.
"""
