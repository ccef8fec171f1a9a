"""The trunk doctor: what is wrong with a trunk, a route or a call, why, and what to do about it.

Touch `trunk_check`, `probe`, `selftest`, `ladder` and `pcap` for the command of that name, `findings` for how results
look, `status_meanings` for remedies. May import all other packages but pipecat, and ``agent.py``.
"""
