"""The training engine, in which every training is a cohort of stacked members.

`hpsearch.engine.structure` is what everybody may import. The other modules need torch, and are
loaded only where networks are trained.
"""
