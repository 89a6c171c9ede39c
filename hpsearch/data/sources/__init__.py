"""The sources of data: one loader for each kind of file, folder or name."""
