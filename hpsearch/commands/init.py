"""`init`: a first YAML for a person's data."""

from __future__ import annotations

from pathlib import Path

from hpsearch.commands import console
from hpsearch.commands.flags import data_overrides, data_source
from hpsearch.commands.spaces import find_space
from hpsearch.config.spec import networks_of, parse
from hpsearch.config.starter import starter
from hpsearch.data.notes import summary
from hpsearch.data.prepare import checked, prepare
from hpsearch.errors import EXIT_OK, CannotWrite, Problem
from hpsearch.study.files import unwritable
from hpsearch.text import shell_word


def init(
    *, data: str, target: str | None, space: str | None, out: str, quiet: bool, no_color: bool
) -> int:
    """Write a YAML with what was found in the data; return the exit code."""
    path = Path(out)
    if path.exists() or path.is_symlink():
        fault = f"{path} is there already, and nothing is written over"
        raise CannotWrite(Problem("E173", fault, help="-o FILE.yaml, another one"))
    found = find_space(space)
    short = starter(data, target)
    spec = networks_of(parse(short, "--data", Path.cwd(), list(data_overrides(data, target)))).data
    # a path in a YAML counts from where that lies
    is_beside = path.absolute().parent == Path.cwd()
    text = starter(data if is_beside else data_source(data), target, checked(spec), found)
    prepared = prepare(networks_of(parse(text, str(path), path.absolute().parent)).data)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise unwritable(path, error) from error
    if not quiet:
        named = "" if path.name == "hpsearch.yaml" else f" {shell_word(out)}"
        notes = (f"note: {note}" for note in prepared.notes)
        texts = [
            *filter(None, [found.note]),
            summary(prepared),
            *notes,
            f"the search is described in {path}",
        ]
        console.note(*texts, f"next:  hpsearch bayes{named} --time 15m", no_color=no_color)
    return EXIT_OK
