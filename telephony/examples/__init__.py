"""Bots that run: ``python -m telephony.examples.echo_bot --help``."""
