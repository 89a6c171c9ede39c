"""The report of a whole search, as a surrogate model of the loss sees it."""
