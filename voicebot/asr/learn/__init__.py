"""What the program teaches itself at set-up, out of synthetic speech."""
