"""The networks: each module has a `forward` over stacked members; its weights are listed in `engine.shapes`."""
