"""One call from its answered leg to its last event: who is asked what, what is done, who is brought in.

Touch `act_runner` for what an act of the dialog does, `voice_channel` for how prompts and answers meet on a line,
`input_queue` for which words answer which question, `warm_transfer` for handovers, `reporter` for what is written down.
Puts rooms together and may import all of them (see ROOMS in tests/unit/test_imports.py).
"""
