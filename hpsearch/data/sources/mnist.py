"""Load MNIST from a folder of the user's, else from the cache, into which it is downloaded once."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from hpsearch.data import DataSpec, RawData
from hpsearch.data.sources import idx
from hpsearch.errors import Problem, SpecError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# the sha256 of the unzipped contents, since copies of MNIST differ in how they were zipped
CONTENTS = {
    "train-images-idx3-ubyte.gz": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte.gz": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}
_TIMEOUT = 10.0  # seconds
_MOST_BYTES = 16 << 20  # of a download


def load(spec: DataSpec) -> RawData:
    """Return MNIST's 60,000 images (1, 28, 28) in uint8, with its 10,000 others as the test file.

    Raises:
        SpecError: it is not found and cannot be downloaded, or a file is not the standard one.
    """
    folder = next(
        (folder for folder in _places() if all((folder / name).is_file() for name in CONTENTS)),
        None,
    )
    folder = folder or _downloaded()
    images, labels, test_images, test_labels = (
        idx.array(_checked(folder / name, name)) for name in CONTENTS
    )
    test = idx.pair("MNIST's test file", test_images, test_labels)
    return replace(idx.pair(spec.source, images, labels), test=test)


def _places() -> list[Path]:
    """Return the folders in which MNIST is looked for; the last one is the cache."""
    own, cache = os.environ.get("HPSEARCH_DATA"), os.environ.get("XDG_CACHE_HOME")
    cached = (Path(cache) if cache else Path.home() / ".cache") / "hpsearch" / "mnist"
    return [Path(own) / "mnist", cached] if own else [cached]


def _checked(path: Path, name: str) -> bytearray:
    """Return the contents of a file, which must be those of MNIST's file of this name."""
    contents = idx.read(path)
    if hashlib.sha256(contents).hexdigest() != CONTENTS[name]:
        fault = f"'{path}' is not the standard MNIST file: its contents have another sha256"
        help_ = (
            "remove it, and it will be downloaded; "
            "a file of your own kind can be read by naming its folder"
        )
        raise SpecError(Problem("E071", fault, help=help_))
    return contents


def _downloaded() -> Path:
    """Return the cache, after downloading what it lacks."""
    folder = _places()[-1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in CONTENTS:
            if not (folder / name).is_file():
                _download(name, folder)
    except OSError as error:
        raise _not_had(str(error)) from error
    return folder


def _download(name: str, folder: Path) -> None:
    """Put one file into the cache, complete and checked, or not at all."""
    reasons = []
    for mirror in MIRRORS:
        # Other processes see the cache, so that a file of this name must be complete: it is written
        # beside its place, then renamed.
        with TemporaryDirectory(dir=folder) as aside:
            part = Path(aside) / name
            try:
                with urlopen(mirror + name, timeout=_TIMEOUT) as response:
                    part.write_bytes(response.read(_MOST_BYTES))
                _checked(part, name)
            except (OSError, HTTPException) as error:
                reasons.append(f"{mirror}: {error}")
            except SpecError:
                reasons.append(f"{mirror}: what it sends is not the standard file")
            else:
                part.replace(folder / name)
                return
    raise _not_had("; ".join(reasons))


def _not_had(reason: str) -> SpecError:
    """Return the error that says into which folders MNIST can be put by hand."""
    own = os.environ.get("HPSEARCH_DATA")
    first = Path(own) / "mnist" if own else "$HPSEARCH_DATA/mnist"
    return SpecError(
        Problem(
            "E071",
            f"MNIST is not here and cannot be downloaded ({reason})",
            help=f"put {', '.join(CONTENTS)} into {first} or {_places()[-1]}",
        )
    )
