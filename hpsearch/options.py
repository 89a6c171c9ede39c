"""Records of keys: what a section of the YAML, a strategy or a runner may be told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, field_validator

_SIZES = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}
_MOST_BYTES = 10**15  # no machine holds more

T = TypeVar("T", bound="Options")


def size(text: object) -> int:
    """Return the bytes of a size such as `4GB`, `1.5GiB` or `800MB`.

    Raises:
        ValueError: it is no size, is 0, or more than machines hold.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([MG]i?B)", str(text))
    if not match:
        raise ValueError("not a size")
    number = float(match[1]) * _SIZES[match[2]]
    if not 1 <= number <= _MOST_BYTES:
        raise ValueError("nothing, or more than machines hold")
    return int(number)


def plain(value: Any) -> Any:
    """Return a value of any library's types in those that a YAML file would give.

    A whole number of any kind is an int, another number a float, and what is listed a list;
    mappings have their values so. What has no such type stays what it is, and sets do, whose order
    says nothing.

    >>> from fractions import Fraction
    >>> import numpy as np
    >>> plain({"min": np.int64(1), "max": np.float32(0.5), "values": (np.bool_(True), "a")})
    {'min': 1, 'max': 0.5, 'values': [True, 'a']}
    >>> plain([np.arange(3), range(2), Fraction(1, 4)])
    [[0, 1, 2], [0, 1], 0.25]
    """
    match value:
        case bool() | bytes() | bytearray():
            return value
        case str():
            return str.__str__(value)  # of numpy's texts and of enumerations
        case Integral():
            return int(value)
        case Real() | Decimal():
            return float(value)
        case Mapping():
            return {plain(key): plain(one) for key, one in value.items()}
        case Sequence():
            return [plain(one) for one in value]
    listed = getattr(value, "tolist", None)  # arrays, tensors and tables' columns
    if callable(listed) and not isinstance(value, type):
        return plain(listed())
    return value


class Options(BaseModel):
    """A record whose fields are the keys of a section of the YAML.

    Values have the exact types that are declared (no text for a number), no other key is allowed,
    and a key stands there with a value or not at all. A field's `description` says what belongs
    there, in words that complete "which is not ...":

    >>> from pydantic import Field
    >>> class Thirds(Options):
    ...     share: float = Field(1 / 3, gt=0, lt=1, description="a share above 0 and below 1")
    >>> Thirds(share=0.5).share
    0.5
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def part(self, record: type[T]) -> T:
        """Return those of the keys that were given here and belong to another record.

        They were checked here, and are not what stood in the file any more (bytes for `4GB`).
        """
        mine = self.model_fields_set & set(record.model_fields)
        return cast(T, record.model_construct(**{name: getattr(self, name) for name in mine}))

    @field_validator("*", mode="before")
    @classmethod
    def _stands_there(cls, value: object) -> object:
        if value is None:  # `budget:` with nothing after it is a slip, not a way to leave it out
            raise ValueError("empty")
        return plain(value)
