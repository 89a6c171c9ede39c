"""Find the classes in a folder of images, and the parts of the split where these are folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hpsearch.data import DataSpec
from hpsearch.data.sources.folder_files import Listing, is_image
from hpsearch.errors import Problem, SpecError

_PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Which part of the split a folder is, by its name in small letters."""
_LISTED = 10


class ClassFolders(NamedTuple):
    """The images of a part of the split.

    Attributes:
        folder: its path from the source's folder on; "" where it is that itself.
        classes: the paths of the images of each class, sorted.
    """

    folder: str
    classes: dict[str, list[str]]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The path and the class of each image, sorted by the class, then by the path."""
        return [(path, name) for name, paths in self.classes.items() for path in paths]


def divided(found: Listing, spec: DataSpec) -> tuple[dict[str, ClassFolders], Sequence[str]]:
    """Return the images of each part of the split, and what is no image of a class."""
    folders = _part_folders(found, spec)
    parts = {part: ClassFolders(folder, {}) for folder, part in folders.items()}
    depth = 0 if "" in folders else 1  # of the folders that are classes
    others = [*found.others]
    for path in found.folders:
        steps = path.split("/")
        if len(steps) == depth + 1:
            parts[folders[steps[0] if depth else ""]].classes[steps[depth]] = []
    for path in found.files:
        steps = path.split("/")
        if len(steps) > depth + 1 and is_image(path):
            parts[folders[steps[0] if depth else ""]].classes[steps[depth]].append(path)
        else:
            others.append(path)
    for part in parts.values():
        if problem := _part_problem(part, found, spec):
            raise SpecError(problem)
    if problem := _nesting_problem(parts["train"], spec):
        raise SpecError(problem)
    return parts, others


def _part_folders(found: Listing, spec: DataSpec) -> Mapping[str, str]:
    """Return the part of the split that each folder is; {"": "train"} where none is one."""
    top = [folder for folder in found.folders if "/" not in folder]
    named = {folder: _PARTS[folder.lower()] for folder in top if folder.lower() in _PARTS}
    parts = [*named.values()]
    if len(parts) < 2 and not (parts == ["train"] and len(top) == 1):
        return {"": "train"}
    listed = _listed([*named])
    if rest := [folder for folder in top if folder not in named]:
        fault = f"folders of a split ({listed}) beside others ({_listed(rest)})"
        help_ = "move the others into them, as folders of classes, or elsewhere"
    elif len({*parts}) < len(parts):
        fault, help_ = (
            f"more than one folder for a part of the split: {listed}",
            "keep one for each",
        )
    elif "train" not in parts:
        fault = f"folders of a split ({listed}), but none to train on"
        help_ = "put the classes to train on into a folder 'train'"
    else:
        return named
    place = spec.places.get("source")
    raise SpecError(Problem("E073", f"'{spec.source}' has {fault}", place, help=help_))


def _part_problem(part: ClassFolders, found: Listing, spec: DataSpec) -> Problem | None:
    """Return what is wrong with the classes of a part of the split, if something is.

    There are none, one has no images, or the name of one is none.
    """
    where, place = Path(spec.source, part.folder), spec.places.get("source")
    linked = "; links are not followed" if found.others else ""
    if not part.classes:
        loose = sum(is_image(path) and _parent(path) == part.folder for path in found.files)
        lacking = f"images ({loose:,}), but no folders of classes" if loose else "no images"
        lacking += "" if loose or part.folder else ", and no IDX files"
        examples = f"{where / 'cat' / '1.png'} and {where / 'dog' / '2.jpg'}"
        help_ = f"the class of an image is the name of its folder, as in {examples}{linked}"
        return Problem("E073", f"'{where}' has {lacking}", place, help=help_)
    if empty := [name for name, paths in part.classes.items() if not paths]:
        fault = f"'{where}' has folders without images: {_listed(empty)}"
        help_ = f"remove them, or put images into them (.png, .jpg and others){linked}"
        return Problem("E073", fault, place, help=help_)
    names = [name.strip() for name in part.classes]
    if bad := [name for name in names if not _is_text(name)]:
        fault = f"'{where}' has classes whose names are not UTF-8: {_listed(bad)}"
        return Problem("E073", fault, place, help="rename these folders")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        fault = f"'{where}' has classes that only blanks around their names tell apart"
        return Problem("E073", f"{fault}: {_listed(twice)}", place, help="rename these folders")
    return None


def _nesting_problem(part: ClassFolders, spec: DataSpec) -> Problem | None:
    """Return the problem with a single class that seems to hold the folders of the classes."""
    if len(part.classes) > 1:
        return None
    ((name, paths),) = part.classes.items()
    whole = Path(part.folder, name)
    deeper = {
        Path(path).relative_to(whole).parts[0] for path in paths if _parent(path) != str(whole)
    }
    if len(deeper) < 2:
        return None  # what one class comes to is said for every source
    fault = f"'{Path(spec.source, part.folder)}' has one folder only, '{name}'"
    help_ = f"source: {Path(spec.source, whole)}, where its folders are the classes"
    return Problem("E075", fault, spec.places.get("source"), help=help_)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _is_text(name: str) -> bool:
    """Say whether the name of a file is text, and not bytes that no encoding explains."""
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def _listed(names: Sequence[str]) -> str:
    """Return the first ten names in quotes."""
    return ", ".join(f"'{name}'" for name in names[:_LISTED]) + ", ..." * (len(names) > _LISTED)
