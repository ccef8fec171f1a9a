"""The telephone side as the server runs it: user agent, trunks, routes, flood guard and trace out of one configuration.

Touch `sip_gateway` for how routes and trunks are read again, which call goes where, and what is counted of it; how SIP
and RTP work is in ``telephony/``. Imports no other room.
"""
