"""Trunks: who may call us and whom we call, each described by one YAML file.

Touch `model` for what a trunk file may say, `identify` for whose call it is, `registration` and `registrar` for
REGISTER either way, `next_hops` for where a call goes out, `caller_id` for as whom, `limits` and `health` for how many
and whether. May import sip, sdp and media.
"""
