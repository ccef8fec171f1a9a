"""A browser as a leg.

Touch `leg` for ICE, DTLS and the data channel (aiortc's), `incoming_audio` and `outgoing_audio` for the sound either
way. Needs media only.
"""

MAX_OFFER = 32768
"""Characters of an offer; browsers send 2,000 to 6,000. It is here as it is known before a browser calls: `leg` brings
aiortc and FFmpeg, 25 MB that a server without browsers need not load."""
