"""What two parties agree on: SDP read, judged and written, and the offers and answers of a dialog. No I/O.

Touched for a codec's line, a crypto attribute, or a rule of offer and answer. Imports `sip`, and types of `media`.
"""
