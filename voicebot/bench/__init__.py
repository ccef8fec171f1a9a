"""Measuring: a folder or file for each of ``voicebot bench``, and the test caller that measures by packets.

Each suite has command.py (arguments), suite.py or run.py (the work) and figures; what several share lies in bench/.
May import every room; no room imports it."""
