"""The diagnosis of a training, from probes of a network's layers."""
