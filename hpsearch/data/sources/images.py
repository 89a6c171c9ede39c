"""Images that have their channels last, as most programs that draw them write them."""

from __future__ import annotations

from dataclasses import replace

from hpsearch.data import RawData

_CHANNELS = range(1, 5)  # as many as a picture has: grey, with its transparency, colours, and both


def channels_first(raw: RawData) -> RawData:
    """Return the data with the channels of its images first, and a note where they were last.

    They were last where the last size is that of channels and the first one is not, or where the
    first two are the sides of a square and the last two are not.

    >>> import numpy as np
    >>> shapes = [(28, 28, 1), (3, 32, 32), (7, 7, 512), (512, 7, 7), (1, 50, 3)]
    >>> found = (channels_first(RawData("x", np.zeros((2, *s)), np.arange(2))) for s in shapes)
    >>> [raw.inputs.shape[1:] for raw in found]
    [(1, 28, 28), (3, 32, 32), (512, 7, 7), (512, 7, 7), (1, 50, 3)]
    """
    if raw.inputs.ndim != 4:
        return raw
    first, middle, last = raw.inputs.shape[1:]
    square = first == middle != last
    if first in _CHANNELS or not (last in _CHANNELS or square):
        return raw
    note = f"the images are {first} x {middle} pixels with their {last} channels last"
    test = raw.test
    if test is not None and test.inputs.shape[1:] == raw.inputs.shape[1:]:
        test = replace(test, inputs=test.inputs.transpose(0, 3, 1, 2))
    inputs = raw.inputs.transpose(0, 3, 1, 2)
    return replace(raw, inputs=inputs, test=test, notes=(*raw.notes, note))
