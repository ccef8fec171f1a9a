"""Trunks: who may call us and whom we call, each described by one YAML file."""
