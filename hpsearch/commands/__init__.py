"""One module per command: it takes what the command line says, does it, and returns the exit code."""
