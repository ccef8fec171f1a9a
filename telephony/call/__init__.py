"""A call's life: taken or placed, changed, transferred and ended.

Touch `inbound` for calls that come, `outbound` for those that we place, `dialog` for what happens once there is one;
`dialog_table` finds dialogs by what requests say, `accounting` gives back a trunk's places. May import sip, sdp, media
and trunk.
"""
