"""The commands of the command line, a file each. `register(sub)` adds one to the parser and sets its `func`."""
