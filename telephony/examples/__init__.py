"""Bots that run: ``python -m telephony.examples.echo_bot --help``.

Each shows one way to use the package from outside, in a file of its own; `commandline` is what they share.
"""
