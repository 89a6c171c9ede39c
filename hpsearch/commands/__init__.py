"""One module per command: it does what the command line says, and returns the exit code."""
