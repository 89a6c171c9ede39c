"""What is searched where no YAML says it: spaces that have names, and those of other files.

Both are files like any other. Of these a space is the sections `parameters:` and `constraints:`,
and of a person's own file `train:` as well, whose place is else taken by what suits the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from hpsearch.config.document import Document, read
from hpsearch.config.spec import parse
from hpsearch.data import RawData
from hpsearch.data.targets import task_of
from hpsearch.engine.structure.settings import NEEDS
from hpsearch.errors import Problem, SpecError

SPACES: Mapping[str, str] = {
    "basic": "what matters most: layers, optimizer, learning rate, regularisation, batch size",
    "learning-rate": "the learning rate and its schedule alone",
    "all": "every setting that has a meaning with the data",
}
"""The spaces that have names, and what each of them searches."""

USUAL = "basic"
_TAKEN = ("train", "parameters", "constraints")
_ENTRY = re.compile(r"  (\w+):")
_SOURCE = ("data", "source"), "digits", "--space"


@dataclass(frozen=True, slots=True)
class SpaceText:
    """A space as a part of a YAML.

    Attributes:
        text: the sections `parameters:` and `constraints:`.
        train: the section `train:`; empty where what suits the data takes its place.
        searched: the settings under `parameters:`.
        is_named: whether it is one of `SPACES`, and may be made to suit the data.
        note: what a person is told of what is passed over in the file; empty where it is nothing.
    """

    text: str
    train: str
    searched: frozenset[str]
    is_named: bool
    note: str = ""

    @property
    def looks_at_data(self) -> bool:
        """Whether it depends on what the data are, and not only on their size."""
        return self.is_named and "model" in self.searched

    def suiting(self, raw: RawData) -> SpaceText:
        """Return the space without what has no meaning with these data."""
        text = self.text
        if task_of(raw, None) == "regression":
            text = text.replace(", laplace]", "]")  # it does not change what a regression answers
        searched = self.searched
        if raw.inputs.ndim == 2:  # columns are in no order, so that dense layers alone suit them
            others = {n for n, needs in NEEDS.items() if "mlp" not in needs.get("model", ["mlp"])}
            searched -= {"model", *others}
            text = "".join(
                line
                for line in text.splitlines(keepends=True)
                if not (entry := _ENTRY.match(line)) or entry[1] in searched
            )
        return replace(self, text=text, searched=searched)


def example() -> str:
    """Return the built-in example, which searches the basic space."""
    return _file(USUAL)


def _file(name: str) -> str:
    return files("hpsearch").joinpath("spaces", f"{name}.yaml").read_text(encoding="utf-8")


@cache
def named_space(name: str) -> SpaceText:
    """Return the space of this name."""
    found = space_of(_file(name), f"{name}.yaml", Path())
    return replace(found, train="", is_named=True, note="")


def space_of(text: str, file: str, folder: Path) -> SpaceText:
    """Return the space of a YAML, whose data and search are passed over.

    Args:
        text: the YAML.
        file: its name, for messages.
        folder: what paths in it are relative to.

    Raises:
        SpecError: with every mistake in it; or it searches nothing.
    """
    parse(text, file, folder, [_SOURCE])
    document = read(text, file)
    found = dict(_sections(document, text))
    if not document.at(("parameters",)):
        help = "parameters:  says what is searched"
        raise SpecError(Problem("E015", f"{file} has no space", help=help))
    others = ", ".join(name for name in found if name not in _TAKEN)
    return SpaceText(
        text="".join(found[name] for name in _TAKEN[1:] if name in found),
        train=found.get("train", ""),
        searched=frozenset(document.value["parameters"]),
        is_named=False,
        note=f"{file}: passed over, as no part of a space: {others}" if others else "",
    )


def _sections(document: Document, text: str) -> Iterator[tuple[str, str]]:
    """Give the name and the lines of each section of a file, comments included.

    Raises:
        SpecError: sections do not begin on lines of their own.
    """
    places = [document.key_place((name,)) for name in document.value]
    if any(place.column != 1 for place in places):
        message = f"the sections of {document.file} do not begin at the left margin"
        help = "write  parameters:  at the left margin, and each parameter on a line below it"
        raise SpecError(Problem("E015", message, help=help))
    lines = text.splitlines()
    ends = [*(place.line - 1 for place in places[1:]), len(lines)]
    for name, place, end in zip(document.value, places, ends, strict=True):
        yield name, "".join(f"{line}\n" for line in lines[place.line - 1 : end])
