"""A browser as a leg.

Touch `leg` for ICE, DTLS and the data channel (aiortc's), `incoming_audio` and `outgoing_audio` for the sound either
way. Needs media only.
"""
