"""The part of the engine that the coordinator needs, and that does without torch.

It says which settings a training has, which weights they make, what a training costs and which
trials train together. Everybody may import it; the rest of the engine is loaded by name, and in
workers alone.
"""
