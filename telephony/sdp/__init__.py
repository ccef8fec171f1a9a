"""What two parties agree on: SDP read, judged and written, and the offers and answers of a dialog. No I/O.

Touch `description` for what is read, `agreement` for what it means for us, `local_description` for what we write,
`negotiation` for who has offered what. May import sip, and types of media.
"""
