"""Find the loader of a source, and read it."""

from __future__ import annotations

from hashlib import sha256
from itertools import islice
from pathlib import Path

from hpsearch.data import LOADERS, DataSpec, RawData, RawTable
from hpsearch.data.sources.folder_files import read_files
from hpsearch.errors import Problem, SpecError
from hpsearch.registry import closest

_MOST_NEIGHBOURS = 1000  # files of a folder that are compared with a name that is not there


def read_source(spec: DataSpec) -> RawData | RawTable:
    """Return what the source's loader returns.

    Raises:
        SpecError: there is no such source, or it was written in the meantime (E070); or its loader
            refuses it.
    """
    try:
        kind = _kind(spec)
        load = LOADERS.load(kind)
        before = _stamps(kind, spec.path)
        try:
            return load(spec)
        finally:  # what a half of a file comes to, or why it is refused, says nothing
            if _stamps(kind, spec.path) != before:
                fault = f"'{spec.source}' was written while it was read"
                raise SpecError(Problem("E070", fault, help="try again when it is complete"))
    except OSError as error:
        raise SpecError(
            Problem(
                "E070",
                f"cannot read '{spec.source}': {error.strerror or error}",
                spec.places.get("source"),
            )
        ) from error


def _stamps(kind: str, path: Path) -> str:
    """Return a digest of which files are read, how large each is and when it was written.

    That of a name, which is no path, is always the same.
    """
    digest = sha256()
    if kind.startswith("*"):
        for file in read_files(path) if kind == "*/" else filter(Path.is_file, [path]):
            one = file.stat()
            stamp = str(file), one.st_ino, one.st_size, one.st_mtime_ns
            digest.update(repr(stamp).encode())
    return digest.hexdigest()


def _kind(spec: DataSpec) -> str:
    """Return the name in `LOADERS` under which the source is read."""
    if spec.source in LOADERS and not spec.source.startswith("*"):
        return spec.source
    path = spec.path
    if not path.exists():
        raise _not_there(spec)
    if not path.is_dir() and not path.is_file():  # a device need not have an end
        fault = f"'{spec.source}' is neither a file nor a folder"
        raise SpecError(Problem("E070", fault, spec.places.get("source"), help=_known()))
    name = path.name.lower()
    kinds = [kind for kind in LOADERS if kind.startswith("*.") and name.endswith(kind[1:])]
    kind = "*/" if path.is_dir() else max(kinds, key=len, default="")
    if kind not in LOADERS:
        fault = f"'{spec.source}' is no kind of data that can be read"
        raise SpecError(Problem("E070", fault, spec.places.get("source"), help=_known()))
    return kind


def _not_there(spec: DataSpec) -> SpecError:
    """Return the error for a source that does not exist, with a name that is much like it."""
    path = spec.path
    names = {name: name for name in LOADERS if not name.startswith("*")}
    if path.parent.is_dir():
        near_by = islice(path.parent.iterdir(), _MOST_NEIGHBOURS)
        names |= {file.name: str(Path(spec.source).parent / file.name) for file in near_by}
    near = closest(path.name, names)
    hint = f"did you mean '{names[near]}'?" if near else ""
    fault = f"there is no '{spec.source}' (looked for {path.absolute()})"
    return SpecError(Problem("E070", fault, spec.places.get("source"), hint, _known()))


def _known() -> str:
    return f"data comes from: {', '.join(LOADERS)}"
