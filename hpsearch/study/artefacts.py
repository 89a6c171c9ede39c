"""Artefacts: files that trainings leave and need (weights, pauses, data), named by their digest.

A name that is a digest says all that there is to know of a file: whoever has it can ask for it
anywhere, it can be written twice without harm, and a file that a disk has changed is noticed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hpsearch.study import files

FOLDER = "artefacts"
"""Where a study keeps its artefacts, within its folder."""

_DIGEST = re.compile("[0-9a-f]{64}")


class Lost(Exception):
    """An artefact is gone, or is not what was written; `str()` says so in a few words."""


@dataclass(frozen=True, slots=True)
class Held:
    """An artefact that other processes map, and the process that holds it open for them.

    What is held open has no name, so that nobody can remove it, cut it or write into it while it is
    mapped. Where a system does not let one process open what another holds, it keeps its name, and
    `process` is None.
    """

    digest: str
    process: int | None = None
    file: int = -1

    @property
    def path(self) -> Path:
        """Where what is held open can be opened by another process."""
        return Path(f"/proc/{self.process}/fd/{self.file}")


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
        self._refuse_link()
        files.write(self.folder / digest, data, settled=False)
        return digest

    def fill(self, writer: Callable[[BinaryIO], None]) -> str:
        """Keep what `writer` writes piece by piece to a file; return its SHA-256 in hex.

        Raises:
            DiskFull, CannotWrite: see `files.write`.
        """
        self._refuse_link()
        half = files.unfinished(self.folder / "artefact")
        files.fill(half, writer)
        try:
            digest = _digest(half)
            half.replace(self.folder / digest)
        except OSError as error:
            raise files.unwritable(half, error) from error
        return digest

    @contextmanager
    def held(self, writer: Callable[[BinaryIO], None]) -> Iterator[Held]:
        """Keep what `writer` writes open in here, for this process and others to map.

        Raises:
            DiskFull, CannotWrite: see `files.write`.
        """
        digest = self.fill(writer)
        path = self.folder / digest
        try:
            file = files.open_own(path, os.O_RDONLY)
        except OSError as error:
            raise files.unwritable(path, error) from error
        try:
            held = Held(digest, os.getpid(), file)
            path.unlink(missing_ok=True)
            if not held.path.exists():
                held = Held(self.fill(writer))
            yield held
        finally:
            os.close(file)

    def locate(self, held: Held) -> Path:
        """Return where what is held can be mapped, after a look at all of it.

        Raises:
            Lost: it is not there, or has changed since it was written.
        """
        path = self.folder / held.digest
        if held.process is not None and not files.is_file(path):  # it is not in here as well
            path = held.path
        try:
            found = _digest(path)
        except OSError as error:
            raise Lost(f"{_named(held.digest)} cannot be read ({error.strerror})") from error
        if found != held.digest:
            raise Lost(f"{_named(held.digest)} has changed since it was written")
        return path

    def path(self, digest: str) -> Path:
        """Return where an artefact lies; its contents are not checked.

        Raises:
            Lost: it is not there.
        """
        path = self.folder / digest
        if not files.is_file(path):
            raise Lost(f"{_named(digest)} is not there")
        return path

    def read(self, digest: str) -> bytes:
        """Return the bytes of an artefact.

        Raises:
            Lost: it is not there, or has changed since it was written.
        """
        try:
            with os.fdopen(files.open_own(self.path(digest), os.O_RDONLY), "rb") as file:
                data = file.read()
        except OSError as error:
            raise Lost(f"{_named(digest)} cannot be read ({error.strerror})") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise Lost(f"{_named(digest)} has changed since it was written")
        return data

    def remove(self, doomed: Callable[[str], bool]) -> None:
        """Remove the artefacts of which `doomed`, asked by digest, is true.

        What has another name than a digest is no artefact, and is let alone.

        Raises:
            CannotWrite: the file system refuses it.
        """
        if not files.is_folder(self.folder):
            return
        for path in self.folder.iterdir():
            if is_artefact(path.name) and files.is_file(path) and doomed(path.name):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise files.unwritable(path, error) from error

    def keep_only(self, kept: Collection[str]) -> None:
        """Remove all artefacts but these."""
        self.remove(lambda digest: digest not in kept)

    def _refuse_link(self) -> None:
        if files.is_link(self.folder):
            raise files.unwritable(self.folder, OSError(errno.ELOOP, "it is a link"))


def is_artefact(name: str) -> bool:
    """Return whether a file of this name is an artefact."""
    return _DIGEST.fullmatch(name) is not None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(digest: str) -> str:
    return f"the artefact {digest[:12]}"
