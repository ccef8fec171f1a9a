"""SIP on the wire, without a word about audio: sockets, parser, transactions, dialogs, digest, DNS.

Touched for a header, a transport, a timer of RFC 3261, or what a source may send. What a request means to a call is
decided in `call`. Imports no other room.
"""
