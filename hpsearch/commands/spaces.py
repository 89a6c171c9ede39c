"""`--space`: which space is searched where there is no YAML."""

from __future__ import annotations

from pathlib import Path

from hpsearch.commands.flags import data_source
from hpsearch.commands.inputs import read_input
from hpsearch.config.document import LARGEST
from hpsearch.config.spaces import SPACES, USUAL, SpaceText, named_space, space_of
from hpsearch.config.spec import networks_of, parse
from hpsearch.config.starter import starter
from hpsearch.data.prepare import checked
from hpsearch.errors import Place, Problem, SpecError
from hpsearch.registry import closest

_EXAMPLE = "digits"


def find_space(space: str | None) -> SpaceText:
    """Return the space of this name, or that of a file; the usual one where none is named.

    Raises:
        SpecError: there is no such space, or the file cannot be read or has mistakes.
    """
    if space is None or space in SPACES:
        return named_space(space or USUAL)
    path, place = Path(space), Place(f"--space {space}", 0, 0)
    if not path.exists() and path.suffix not in (".yaml", ".yml"):
        near = closest(space, SPACES)
        hint = f"did you mean '{near}'?" if near else ""
        help = f"{', '.join(SPACES)}, or a YAML file"
        message = f"no space is called '{space}', and there is no such file"
        raise SpecError(Problem("E015", message, place, hint, help))
    try:
        text = read_input(path, LARGEST).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise SpecError(Problem("E001", f"cannot read {space}: {error.strerror}", place)) from error
    return space_of(text, space, path.resolve().parent)


def without_config(data: str | None, target: str | None, space: SpaceText) -> str:
    """Return what is searched without a YAML: what `hpsearch init` would write, less the columns.

    The data are looked at where the space depends on what they are.
    """
    source = _EXAMPLE if data is None else data_source(data)
    text = starter(source, target)
    if not space.looks_at_data:
        return starter(source, target, space=space)
    raw = checked(networks_of(parse(text, "--data", Path.cwd())).data)
    return starter(source, target, raw, space)
