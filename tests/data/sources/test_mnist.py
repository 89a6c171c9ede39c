"""MNIST: where it is found, and how it is downloaded."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.data.sources import mnist
from tests.helpers.real import needs_mnist
from tests.helpers.sources import PLAIN_IMAGES, refused, tiny_mnist, write_files


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A tiny MNIST that passes for the real one, in no place yet."""
    files = tiny_mnist()
    contents = {
        name: hashlib.sha256(gzip.decompress(data)).hexdigest() for name, data in files.items()
    }
    monkeypatch.setattr(mnist, "CONTENTS", contents)
    monkeypatch.setattr(mnist, "MIRRORS", (f"{(tmp_path / 'nowhere').as_uri()}/",))
    monkeypatch.setenv("HPSEARCH_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return files


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of what lies in `tmp_path/served`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None: ...

    serving = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))
    )
    thread = Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}/"
    serving.shutdown()
    serving.server_close()
    thread.join()


def test_mnist_zipped_in_another_way_is_the_same(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    write_files(tmp_path / "own/mnist", small_mnist)
    first = prepare(DataSpec("mnist"))
    again = {
        name: gzip.compress(gzip.decompress(data), 1, mtime=1) for name, data in small_mnist.items()
    }
    write_files(tmp_path / "own/mnist", again)
    assert prepare(DataSpec("mnist")).digest == first.digest


@pytest.mark.parametrize("place", ["own/mnist", "cache/hpsearch/mnist"])
def test_mnist_is_found_in_both_places(
    tmp_path: Path, small_mnist: dict[str, bytes], place: str
) -> None:
    write_files(tmp_path / place, small_mnist)
    data = prepare(DataSpec("mnist"))
    assert (data.name, len(data.folds[0].train), len(data.folds[0].validation), len(data.test)) == (
        "mnist",
        16,
        4,
        4,
    )


def test_mnist_is_looked_for_in_the_users_folder_first(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    write_files(tmp_path / "own/mnist", small_mnist)
    write_files(tmp_path / "cache/hpsearch/mnist", dict.fromkeys(small_mnist, b"damaged"))
    assert prepare(DataSpec("mnist")).name == "mnist"


def test_mnist_is_downloaded_once_into_the_cache(
    tmp_path: Path, small_mnist: dict[str, bytes], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "served", small_mnist)
    monkeypatch.setattr(mnist, "MIRRORS", (server + "missing/", server))
    first = prepare(DataSpec("mnist"))
    cache = tmp_path / "cache/hpsearch/mnist"
    assert sorted(path.name for path in cache.iterdir()) == sorted(small_mnist)
    monkeypatch.setattr(mnist, "MIRRORS", ())
    assert prepare(DataSpec("mnist")).digest == first.digest


def test_only_what_the_cache_lacks_is_downloaded(
    tmp_path: Path, small_mnist: dict[str, bytes], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    *have, lack = small_mnist
    write_files(tmp_path / "cache/hpsearch/mnist", {name: small_mnist[name] for name in have})
    write_files(tmp_path / "served", {lack: small_mnist[lack]})
    monkeypatch.setattr(mnist, "MIRRORS", (server,))
    assert prepare(DataSpec("mnist")).name == "mnist"


def test_a_download_that_is_not_mnist_leaves_nothing_behind(
    tmp_path: Path, small_mnist: dict[str, bytes], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "served", {name: gzip.compress(PLAIN_IMAGES) for name in small_mnist})
    monkeypatch.setattr(mnist, "MIRRORS", (server,))
    monkeypatch.setattr(mnist, "CONTENTS", dict.fromkeys(small_mnist, "0" * 64))
    assert "not the standard file" in refused(DataSpec("mnist")).message
    assert not list((tmp_path / "cache/hpsearch/mnist").iterdir())


def test_mnist_that_cannot_be_had_is_answered_with_the_files_and_the_places(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    problem = refused(DataSpec("mnist"))
    assert problem.code == "E071"
    for words in [
        *small_mnist,
        str(tmp_path / "own/mnist"),
        str(tmp_path / "cache/hpsearch/mnist"),
    ]:
        assert words in problem.help


def test_without_variables_the_cache_is_in_the_home_folder(
    tmp_path: Path, small_mnist: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HPSEARCH_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    places = f"$HPSEARCH_DATA/mnist or {tmp_path / '.cache/hpsearch/mnist'}"
    assert refused(DataSpec("mnist")).help.endswith(places)


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    assert refused(DataSpec("mnist")).code == "E071"


def test_mnist_with_another_checksum_is_refused(
    tmp_path: Path, small_mnist: dict[str, bytes]
) -> None:
    write_files(
        tmp_path / "own/mnist",
        small_mnist | {"t10k-images-idx3-ubyte.gz": gzip.compress(PLAIN_IMAGES)},
    )
    problem = refused(DataSpec("mnist"))
    assert problem.code == "E071"
    assert "own/mnist/t10k-images-idx3-ubyte.gz' is not the standard MNIST file" in problem.message


@needs_mnist
def test_the_real_mnist_stays_bytes_and_keeps_its_test_file() -> None:
    data = prepare(DataSpec("mnist"))
    assert data.inputs.dtype == np.uint8
    assert (data.shape.sides, data.classes) == ((1, 28, 28), tuple("0123456789"))
    assert [len(part) for part in (data.folds[0].train, data.folds[0].validation, data.test)] == [
        48_000,
        12_000,
        10_000,
    ]
    assert data.test[0] == 60_000
    assert data.targets[data.test[:5]].tolist() == [7, 2, 1, 0, 4]
    # the usual mean and standard deviation are of all 60,000: 0.1307 and 0.3081 of 255
    assert data.folds[0].center.item() / 255 == pytest.approx(0.1307, abs=1e-3)
    assert data.folds[0].scale.item() / 255 == pytest.approx(0.3081, abs=1e-3)


@needs_mnist
def test_the_real_mnist_can_be_cut_for_a_smoke_run() -> None:
    data = prepare(DataSpec("mnist", rows=256))
    assert [len(part) for part in (data.folds[0].train, data.folds[0].validation, data.test)] == [
        205,
        51,
        256,
    ]
    assert len(np.unique(data.targets[data.folds[0].train])) == 10


@needs_mnist
def test_the_real_mnist_refuses_a_share_for_test() -> None:
    assert refused(DataSpec("mnist", test=0.1)).code == "E076"
