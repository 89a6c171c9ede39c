"""The forward passes of the built-in models, over stacked members.

Each module has a `forward(net, x)`; the record that goes with it, with the weights that it uses, is
in `hpsearch.engine.structure`.
"""
