"""Artefacts: files that trainings leave and need (weights, pauses, data), named by their digest.

A name that is a digest says all that there is to know of a file: whoever has it can ask for it
anywhere, it can be written twice without harm, and a file that a disk has changed is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hpsearch.study import files

FOLDER = "artefacts"
"""Where a study keeps its artefacts, within its folder."""


class Lost(Exception):
    """An artefact is gone, or is not what was written; `str()` says so in a few words."""


@dataclass(frozen=True, slots=True)
class Artefacts:
    """A folder of artefacts: the study's own, or that of a worker elsewhere."""

    folder: Path

    def write(self, data: bytes) -> str:
        """Keep these bytes; return their SHA-256 in hex.

        Raises:
            DiskFull, CannotWrite: see `files.write`.
        """
        digest = hashlib.sha256(data).hexdigest()
        files.write(self.folder / digest, data, settled=False)
        return digest

    def fill(self, writer: Callable[[BinaryIO], None]) -> str:
        """Keep what `writer` writes piece by piece to a file; return its SHA-256 in hex.

        Raises:
            DiskFull, CannotWrite: see `files.write`.
        """
        half = files.unfinished(self.folder / "artefact")
        files.fill(half, writer)
        with half.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        half.replace(self.folder / digest)
        return digest

    def path(self, digest: str) -> Path:
        """Return where an artefact lies, to be mapped; its contents are not checked.

        Raises:
            Lost: it is not there.
        """
        path = self.folder / digest
        if not path.is_file():
            raise Lost(f"the artefact {digest[:12]} is not there")
        return path

    def read(self, digest: str) -> bytes:
        """Return the bytes of an artefact.

        Raises:
            Lost: it is not there, or has changed since it was written.
        """
        try:
            data = self.path(digest).read_bytes()
        except OSError as error:
            raise Lost(f"the artefact {digest[:12]} cannot be read ({error.strerror})") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise Lost(f"the artefact {digest[:12]} has changed since it was written")
        return data

    def remove(self, doomed: Callable[[str], bool]) -> None:
        """Remove the artefacts of which `doomed`, asked by digest, is true."""
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if "." not in path.name and doomed(path.name):
                path.unlink(missing_ok=True)

    def keep_only(self, kept: Collection[str]) -> None:
        """Remove all artefacts but these."""
        self.remove(lambda digest: digest not in kept)
