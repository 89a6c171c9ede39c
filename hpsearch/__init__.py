"""hpsearch: hyperparameter search for deep networks, with the training engine on board."""

__version__ = "0.1.0"
