"""What a task of Ray does on its node: it hands a piece of work to a worker of this machine.

A process of Ray does many tasks. It keeps one worker, with what that has imported and read, and a
folder of its own for artefacts. Data that many processes of a node read are one file, which each
has in its folder by a name of its own.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import BinaryIO

import ray

from hpsearch.errors import HpsearchError
from hpsearch.runners import Resources, Work, WorkCrashed, WorkFinished
from hpsearch.runners.local import Local
from hpsearch.runners.ray.cluster import versions_here
from hpsearch.runners.ray.messages import Begun, Errand, Given, Need, Site
from hpsearch.runners.ray.packed import CALL
from hpsearch.study.artefacts import Artefacts, is_artefact

_POLL = 0.2  # seconds between looks at whether Ray takes the task back
_PREFIX = "hpsearch-ray-"


def do(errand: Errand) -> Iterator[Begun | Given]:
    """Do a piece of work; give its events, and the artefacts that it writes."""
    node = ray.get_runtime_context().get_node_id()
    yield Begun(ray.util.get_node_ip_address(), node, versions_here())
    yield from _host(errand.site).do(errand)


@cache
def _host(site: bytes) -> Host:
    """Return the one host of this process: all that it does is for one search."""
    return Host(pickle.loads(site))


class Host:
    """Has a worker of its own, and a folder for what that reads and writes."""

    def __init__(self, site: Site) -> None:
        origin = site.origin
        sys.path[:] = [*_own_path(), *(one for one in origin.path if one not in sys.path)]
        if Path(origin.folder).is_dir():
            os.chdir(origin.folder)
        if not site.sees_gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        sweep()
        self._token = site.token
        self._folder, self._lock = _own_folder(site.token)
        self._staying: set[str] = set()
        resources = Resources(1, site.threads, site.memory)
        path = origin.main.get("init_main_from_path")
        main = origin.main if path is None or Path(str(path)).exists() else {}
        self._local = Local(resources, Artefacts(self._folder), main)

    def do(self, errand: Errand) -> Iterator[Given]:
        """Do a piece of work, and give what comes of it."""
        asked, needs = errand.work, errand.work.needs
        for need in needs:
            self._supply(need, errand)
        work = Work(asked.key, CALL, asked.packed, asked.seconds, asked.set_up)
        over = False
        try:
            self._local.submit(work)
            while not over:
                events = [event for _, event in self._local.wait(_POLL)]
                over = any(map(_is_last, events))
                if events:
                    yield Given(events, [*self._written(needs)], over)
        finally:
            if not over:  # Ray takes the task back
                self._local.__exit__(None, None, None)
            for need in needs:
                if not need.stays:
                    (self._folder / need.digest).unlink(missing_ok=True)

    def _supply(self, need: Need, errand: Errand) -> None:
        """Put an artefact into the folder; another process of this node may have it already."""
        if need.stays:
            self._staying.add(need.digest)
        path = self._folder / need.digest
        for other in path.parent.parent.glob(f"{_PREFIX}{self._token}-*/{need.digest}"):
            with suppress(OSError):  # it is its own, or has just been removed
                os.link(other, path)
                return
        if path.exists():
            return
        content = memoryview(ray.get(errand.objects[need.digest]))

        def write(file: BinaryIO) -> None:
            file.write(content)

        Artefacts(self._folder).fill(write)

    def _written(self, needs: Sequence[Need]) -> Iterator[bytes]:
        """Give, and forget, the artefacts that the work has written."""
        read = self._staying | {need.digest for need in needs}
        for path in self._folder.iterdir():
            if is_artefact(path.name) and path.name not in read:
                yield path.read_bytes()
                path.unlink()


def _is_last(event: object) -> bool:
    return isinstance(event, WorkFinished | WorkCrashed | HpsearchError)


def _own_path() -> list[str]:
    """Return where this process imports from, without the folders that Ray has put there."""
    inside = str(Path(ray.__file__).parent)
    return [one for one in sys.path if not one.startswith(inside)]


def _own_folder(token: str) -> tuple[Path, int]:
    """Return a new folder, and a file that holds it for as long as this process is alive."""
    while True:
        folder = Path(mkdtemp(prefix=f"{_PREFIX}{token}-"))
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():  # nobody has swept it before it was held
            return folder, lock
        os.close(lock)


def sweep(token: str | None = None) -> None:
    """Remove the folders of this machine that nobody holds, and all of one search."""
    for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is another person's, or held
            file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if token is None or not folder.name.startswith(f"{_PREFIX}{token}-"):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(file)
