"""Signalling: sockets, parsing, transactions, dialogs, digest and DNS. No word about audio.

Touch `message` and `grammar` for what is read and written, `transaction_state_tables` for retransmissions and timers,
`endpoint` for how sockets, parser and transactions meet, `transport`, `connection` and `tls` for the wire, `resolve`
for where a URI leads, `flood_guard` for who is turned away unread. Imports no other package.
"""
