"""Trunks: who may call us and whom we call, each described by one YAML file.

Touched for a key of a trunk file, a registration either way, health, limits, or what may be called. Imports `sip`,
`sdp` and `media`.
"""
