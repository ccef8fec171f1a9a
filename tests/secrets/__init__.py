"""What callers say and key that must not be told, and what must stay readable: a line a case, made for this project.

``wordings.jsonl`` and ``innocent.jsonl`` were written by somebody who had not read the redactor, ``own.jsonl`` by its
author. Fields: ``id``; ``kind`` (``card``, ``pin``, ``none``); ``secret``; ``start``, the question that stands;
``turns``, each a text, ``{"keyed": …}``, or either with ``at``, the question that is asked then; ``keep``, what must
stay readable in the record. `tests.secrets_trial` plays them.
"""
