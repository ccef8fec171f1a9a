"""A browser as a leg: ICE, DTLS and the data channel by aiortc, audio by our own two halves.

Touched for what a browser hears and says. Imports `media`.
"""
