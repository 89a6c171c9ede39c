"""Counts the public functions and classes whose docstring begins with a line that stands by itself.

`python -m tests.helpers.docstrings` prints the others, and the share.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "hpsearch"

_FRAGMENTS = {
    *("And", "As", "But", "By", "Else", "For", "From", "If", "In", "It", "Its", "Of", "On", "Or"),
    *("That", "Their", "These", "They", "This", "Those", "To", "When", "Where", "Whether", "Which"),
    *("Who", "With", "Likewise", "Also"),
}
"""Words that begin a fragment, or refer to something that stands elsewhere."""

_NOUN_PHRASES = {"A", "An", "The", "All", "Each", "Every", "What", "How"}
"""Words with which a noun phrase begins; of a function that is no property, a verb comes first."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A public function, property or class."""

    place: str
    name: str
    kind: str
    docstring: str


def public_definitions(package: Path) -> Iterator[Definition]:
    """Give all public definitions of a package, those within public classes included."""
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield from _within(tree, str(path.relative_to(package)), "")


def _within(node: ast.Module | ast.ClassDef, place: str, prefix: str) -> Iterator[Definition]:
    for child in node.body:
        if not isinstance(child, ast.ClassDef | ast.FunctionDef) or child.name.startswith("_"):
            continue
        kind = "class" if isinstance(child, ast.ClassDef) else _kind(child)
        text = ast.get_docstring(child) or ""
        yield Definition(f"{place}:{child.lineno}", prefix + child.name, kind, text)
        if isinstance(child, ast.ClassDef):
            yield from _within(child, place, f"{child.name}.")


def _kind(function: ast.FunctionDef) -> str:
    names = {one.id for one in function.decorator_list if isinstance(one, ast.Name)}
    return "property" if names & {"property", "cached_property"} else "function"


def first_line_faults(one: Definition) -> str:
    """Return what is wrong with the first line of a docstring; "" where it stands by itself."""
    line = one.docstring.partition("\n")[0].strip()
    where = f"{one.place} {one.name}: {line!r}"
    if not line:
        return f"{where} (there is none)"
    word = re.split(r"[\s,.:;]", line)[0]
    if not line.endswith((".", ":", "?")):
        return f"{where} (it does not end with its first line)"
    if word in _FRAGMENTS and (one.kind, word) != ("property", "Whether"):
        return f"{where} (it begins with '{word}')"
    if one.kind == "function" and word in _NOUN_PHRASES and "testing/" not in one.place:
        return f"{where} (no verb comes first)"
    if len(line.split()) < 2:
        return f"{where} (it is one word)"
    return ""


def main() -> None:
    """Print each fault, and the share of docstrings without one."""
    found = list(public_definitions(PACKAGE))
    faults = [fault for one in found if (fault := first_line_faults(one))]
    for fault in faults:
        print(fault)
    good = len(found) - len(faults)
    print(f"{good} of {len(found)} ({100 * good / len(found):.1f} %)")


if __name__ == "__main__":
    main()
