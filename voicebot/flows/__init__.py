"""The YAML language of dialogs: read, checked as a whole, and made into instructions that a conversation runs.

Touch `schema` for what may be written, `lint` for what the schema cannot see, `instructions` for how steps are made
flat, `templates` for values in texts, `conditions` for ``when``, `default_prompts` for sentences that no flow has. May
import nlu and the markup of tts.
"""
