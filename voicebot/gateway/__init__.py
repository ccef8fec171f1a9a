"""The SIP user agent as the server runs it: routes, flood guard and trace around `telephony.agent`.

Touched for where a call goes (`route_watch`), what the trunk doctor is shown (`call_forensics`), or what is counted
(`to_metrics`). Imports telephony, and no other room of voicebot.
"""
