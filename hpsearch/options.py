"""Records of keys: what a section of the YAML, a strategy or a runner may be told."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, field_validator

T = TypeVar("T", bound="Options")


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
        """Return those of the keys that were given here and belong to another record."""
        mine = self.model_fields_set & set(record.model_fields)
        return record(**{name: getattr(self, name) for name in mine})

    @field_validator("*", mode="before")
    @classmethod
    def _stands_there(cls, value: object) -> object:
        if value is None:  # `budget:` with nothing after it is a slip, not a way to leave it out
            raise ValueError("empty")
        return value
