"""The configuration: a YAML becomes a search, or all mistakes in it are told with their places."""
