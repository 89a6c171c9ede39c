"""Nobody let in: any YAML and any data file is read or refused, soon, in little room, in a line."""

from __future__ import annotations

import gzip
import io
import multiprocessing
import random
import re
import resource
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.text import Text

from hpsearch.commands.console import emit, result
from hpsearch.config.spec import networks_of, parse
from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.engine.structure.diagnosis import Layer, Probe
from hpsearch.errors import SpecError
from hpsearch.objectives.networks import Networks
from hpsearch.report.diagnosis import page as diagnosis_page
from hpsearch.report.diagnosis.view import Diagnosis
from hpsearch.report.surrogate import page as surrogate_page
from hpsearch.report.surrogate.view import SurrogateView
from hpsearch.report.trial import page as trial_page
from hpsearch.report.trial.view import trial_report
from hpsearch.space.parameters import Choice, Real
from hpsearch.space.space import Params, Space
from hpsearch.strategies.surrogate_report import surrogate_report
from hpsearch.study.history import History
from hpsearch.study.record import StudyRecord
from hpsearch.study.trial import Failed, Result, Trial
from tests.helpers.histories import done, sampled
from tests.helpers.sources import lying_parquet
from tests.helpers.studies import META
from tests.helpers.tally import Tallies, Tally

ROOM = 100 << 20  # bytes by which a process may grow
SECONDS = 20.0  # of CPU time: a busy machine needs a tenth, what unfolds without end far more


@dataclass
class Outcome:
    """What became of files: how many were read, and how many refused with which code.

    What should not be is `wrong`.
    """

    read: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    grown: int = 0

    @property
    def tried(self) -> int:
        return self.read + sum(self.refused.values()) + len(self.wrong)

    def count(self, group: Tally) -> None:
        """Add it to the table."""
        group.tried += self.tried
        group.survived += self.tried - len(self.wrong)
        group.tracebacks += len(self.wrong)

    def of(self, read: Callable[[], object], what: str) -> None:
        """Read one file, and note what became of it."""
        began = time.process_time()
        try:
            read()
            self.read += 1
        except SpecError as error:
            self.refused[error.problems[0].code] = self.refused.get(error.problems[0].code, 0) + 1
            if not all(is_short(str(problem)) for problem in error.problems):
                self.wrong.append(f"{what}: {error}")
        except BaseException as error:
            self.wrong.append(f"{what}: {type(error).__name__}: {error}")
        self.slowest = max(self.slowest, time.process_time() - began)


def is_short(message: str) -> bool:
    """Return whether it is a line, with at most the place, the source and the help below it.

    Nothing in it may be a command to a terminal.
    """
    lines = message.split("\n")
    return len(lines) <= 6 and all(line.isprintable() and len(line) < 10_000 for line in lines)


def elsewhere(outcome: Callable[..., Outcome], *arguments: object) -> Outcome:
    """Return the outcome in a process of its own, which says how far it has grown, too."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(bounded, outcome, *arguments).result()


def bounded(outcome: Callable[..., Outcome], *arguments: object) -> Outcome:
    """Return the outcome, and by how much it raised the most memory that this process held.

    There is no more than 1 GiB to be had.
    """
    import_all()
    held = int(re.findall(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[0]) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (held + (1 << 30),) * 2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = outcome(*arguments)
    found.grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    return found


def import_all() -> None:
    """Have everything loaded that reading takes."""
    parse("data: {source: digits}", "f", Path())
    prepare(DataSpec("digits"))


# YAML

TEXTS = [
    """\
# a comment, with ümläuts
name: mine
data: {source: "digits", split: {validation: 0.2, test: 0.1}, scale: unit}
train: {model: mlp, epochs: 3}
parameters:
  lr:        {min: 1e-4, max: 1e-1, log: true, prior: 1e-2}
  width:     {min: 16, max: 64, step: 16}
  optimizer: {values: [momentum, 'adam']}
  momentum:  {min: 0.5, max: 0.99, when: {optimizer: momentum}}
  dropout:
    values: [0, 0.25,
             0.5]
constraints: ["width * lr <= 512", optimizer != 'adam' or dropout > 0]
trials:
- {lr: 0.01, width: 64, optimizer: adam, dropout: 0.25}
search: {budget: 50, time: 10m, metric: accuracy, guided: true}
""",
    """\
data:
  source: some.csv
  target: y
  task: regression
  split:
    folds: 5
    test: 0.2
  split_seed: 3
train:
  model: rnn
  epochs: 27
  patience: 0
parameters:
  cell: {values: [elman, gru]}
  depth: {min: 1, max: 3}
  l2: {min: 1e-6, max: 1e-2, log: true, points: 3}
search:
  surrogate: ann
  halving: true
  seeds: 2
  wave: 4
""",
    Path(__file__)
    .parents[1]
    .joinpath("hpsearch", "spaces", "basic.yaml")
    .read_text(encoding="utf-8"),
]
NASTY = [
    *("null", "~", "''", "[]", "{}", "[[]]", "true", "yes", ".nan", ".inf", "-.inf", "-0", "0"),
    *("-1", "1e308", "1e-400", "1e999", "9" * 400, "-" + "9" * 100, "0x" + "f" * 60, "0o777"),
    *("1_000", "1:30:00", "0.1.2", "1e", "&a 1", "*a", "!!int 3"),
    *("!!python/object/apply:os.system [ls]", "<<", "|", ">", "? a", "- ", "%TAG", "---", "'", '"'),
    *("{", "}", "[", "]", ":", ",", "#", "@", "`", "\\", "'\\0'", '"\\0"', '"\\ud800"'),
    *('"\\x1b[m"', '"\\n"', "\0", "\x1b[2J", "\ufeff", "\u2028", "\u202e", "\x85", "ﬀ", "🙂"),
    *("e\u0301", "\t", "\r", "\r\n", "\ud800", "[" * 30, "{a: " * 30, "- " * 30, "x" * 5000),
    *("__class__", "{{7*7}}", "$(ls)", "../../etc/passwd", "/dev/zero", "{min: 0, max: 0}"),
    *("{min: 1, max: 1e300, log: true}", "{min: 5, max: 1}", "{values: [1, 1]}", "{values: []}"),
    *("{min: 0, max: 1, step: 1e-300}", "{min: 0, max: 1, points: 999999999}"),
    *("{min: -1, max: 1, log: true}", "{value: 1, values: [2]}", "{min: 1, max: 9, when: {lr: 1}}"),
    *("{values: [1e400, nan, '']}", "{prior: 3}", "lr ** lr ** lr", "9 ** 9 ** 9", "lr / 0"),
    *("(" * 500, "not " * 500, "1 < 2 < 3", "lr = 3", "lr.real"),
]  # fmt: skip


def mutated(rng: random.Random) -> bytes:
    """Return a valid text in which one to three things have been changed."""
    data = rng.choice(TEXTS).encode()
    for _ in range(rng.randint(1, 3)):
        data = rng.choice(MUTATIONS)(data, rng)
    return data


def _bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip some bits."""
    changed = bytearray(data or b" ")
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _lines(data: bytes, rng: random.Random) -> bytes:
    """Take out, double, move or indent a line."""
    lines = data.splitlines(keepends=True) or [b"\n"]
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case 2:
            lines[at], lines[to] = lines[to], lines[at]
        case 3:
            lines[at] = rng.choice([b" ", b"  ", b"\t", b"- "]) + lines[at]
        case _:
            lines[at] = lines[at].lstrip()
    return b"".join(lines)


def _value(data: bytes, rng: random.Random) -> bytes:
    """Put a nasty value in the place of a word, or beside it."""
    words = list(re.finditer(rb"[\w.+'\"-]+", data))
    nasty = rng.choice(NASTY).encode("utf-8", "surrogatepass")
    if not words:
        return data + nasty
    word = rng.choice(words)
    return data[: word.start() if rng.random() < 0.8 else word.end()] + nasty + data[word.end() :]


def _part(data: bytes, rng: random.Random) -> bytes:
    """Cut the data off, or repeat a part of it many times somewhere else."""
    at, to = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    match rng.randrange(4):
        case 0:
            return data[:to]
        case 1:
            return data[:at] + data[to:]
        case 2:
            return data[:to] + data[at : at + 60] * rng.choice([1, 2, 300]) + data[to:]
        case _:
            return rng.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"---\n", b"%YAML 1.2\n---\n"]) + data


MUTATIONS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    _bytes,
    _lines,
    _lines,
    _value,
    _value,
    _value,
    _value,
    _part,
)


def mutations(count: int, seed: int) -> Outcome:
    """Return what becomes of so many mutated texts."""
    outcome, rng = Outcome(), random.Random(seed)
    for _ in range(count):
        text = mutated(rng)
        outcome.of(lambda text=text: parse(text, "search.yaml", Path()), repr(text))  # type: ignore[misc]
    return outcome


def test_a_mutated_text_is_read_or_refused_in_a_line(tally: Tallies) -> None:
    found = mutations(300, 0)
    assert found.wrong == []
    assert found.read > 10
    assert len(found.refused) > 5
    assert found.slowest < SECONDS


@pytest.mark.faults
def test_ten_thousand_mutated_texts_are_read_or_refused_in_little_room(tally: Tallies) -> None:
    found = elsewhere(mutations, 10_000, 1)
    found.count(tally("YAML"))
    assert found.wrong == []
    assert found.slowest < SECONDS
    assert found.grown < ROOM


@pytest.mark.faults
def test_fifty_refused_files_end_the_command_with_2_and_no_traceback(
    tmp_path: Path, tally: Tallies
) -> None:
    group, rng, refused = tally("YAML, at the command line"), random.Random(2), 0
    while refused < 50:
        text = mutated(rng)
        try:
            parse(text, "search.yaml", tmp_path)
        except SpecError:
            refused += 1
            (tmp_path / "search.yaml").write_bytes(text)
            done = run(tmp_path, "manual", "search.yaml", "--smoke")
            broken = "Traceback" in done.stderr or "bug in hpsearch" in done.stderr
            group.tried += 1
            group.tracebacks += broken
            group.survived += not broken and done.returncode == 2
            assert (done.returncode, broken, done.stdout) == (2, False, ""), (text, done)
            assert done.stderr.startswith("error[E")
    assert not (tmp_path / "runs").exists()


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "hpsearch", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


# data

_ROWS = 20
_X, _Y = np.arange(2.0 * _ROWS).reshape(_ROWS, 2), np.arange(_ROWS) % 2
_CELLS = [
    *(
        "",
        " ",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "1e308",
        "-1e308",
        "NA",
        "?",
        "0x10",
        "1_0",
        "1,0",
        "'1",
        '"',
        '"1',
        "é",
    ),
    *(
        "\0",
        "\x1b[31m",
        "\r",
        "\n",
        "\t",
        ";",
        "=1+1",
        "1.5.2",
        "True",
        "9" * 400,
        "x" * 5000,
        "\ufeff",
        "\u2028",
        "١",
    ),
]


def sound() -> dict[str, bytes]:
    """Return a small file of each kind; those of an IDX folder are two."""
    table = "a,b,y\n" + "".join(f"{a},{b},{'ab'[c]}\n" for (a, b), c in zip(_X, _Y, strict=True))
    npz, parquet = io.BytesIO(), io.BytesIO()
    np.savez_compressed(npz, X=_X, y=_Y)
    pq.write_table(
        pa.table({"a": _X[:, 0], "b": _X[:, 1], "y": ["a", "b"] * (_ROWS // 2)}), parquet
    )
    images = b"\0\0\x08\x03" + struct.pack(">3I", _ROWS, 2, 2) + bytes(range(4 * _ROWS))
    return {
        "t.csv": table.encode(),
        "t.npz": npz.getvalue(),
        "t.parquet": parquet.getvalue(),
        "images-idx3.gz": images,
    }


LABELS = b"\0\0\x08\x01" + struct.pack(">I", _ROWS) + _Y.astype(np.uint8).tobytes()


def spoiled(name: str, data: bytes, rng: random.Random) -> bytes:
    """Return the file with something wrong in it: in its bytes, or in what they stand for."""
    if rng.random() < 0.3:
        return rng.choice((_bytes, _part))(
            data if name != "images-idx3.gz" else gzip.compress(data), rng
        )
    match name:
        case "t.csv":
            rows = [line.split(",") for line in data.decode().splitlines()]
            for _ in range(rng.randint(1, 3)):
                row = rng.choice(rows)
                row[rng.randrange(len(row))] = rng.choice(_CELLS)
            return _lines(
                "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass"), rng
            )
        case "t.npz":  # with the checksums of a sound archive
            packed = io.BytesIO()
            way = rng.choice(
                (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
            )
            with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w", way) as new:
                for member in old.namelist():
                    new.writestr(
                        member, rng.choice((_bytes, _part, _header))(old.read(member), rng)
                    )
            return _bytes(packed.getvalue(), rng) if rng.random() < 0.3 else packed.getvalue()
        case "images-idx3.gz":
            return gzip.compress(rng.choice((_bytes, _part, _sizes))(data, rng))
        case _:
            return _bytes(_bytes(data, rng), rng)


def _header(data: bytes, rng: random.Random) -> bytes:
    """Give an array in NumPy's format another type or another shape."""
    types = [
        "'|O'",
        "'<c16'",
        "'|V8'",
        "'<M8[s]'",
        "'<U2'",
        "'|S8'",
        "'>f8'",
        "'<f16'",
        "'|b1'",
        "[('a', '<f8')]",
        "3",
    ]
    shapes = [
        "(10**13,)",
        "(-1, 2)",
        "()",
        "(20,)",
        "(2, 20)",
        "(1, 1, 1, 1, 40)",
        "(9999999999999, 1)",
        "(20, 2",
        "(0, 2)",
    ]
    data = re.sub(
        rb"'descr': [^,]*", f"'descr': {rng.choice(types)}".encode(), data, count=rng.randrange(2)
    )
    return re.sub(
        rb"'shape': \([^)]*\)",
        f"'shape': {rng.choice(shapes)}".encode(),
        data,
        count=rng.randint(0, 1) or 1,
    )


def _sizes(data: bytes, rng: random.Random) -> bytes:
    """Give an IDX file other sizes."""
    sizes = [rng.choice([0, 1, 2, _ROWS, 2**31, 2**32 - 1, 10**4]) for _ in range(3)]
    return data[:4] + struct.pack(">3I", *sizes) + data[16:]


def spoiled_files(name: str, count: int, seed: int, folder: Path) -> Outcome:
    """Return what becomes of so many spoiled files of one kind."""
    outcome, rng, data = Outcome(), random.Random(seed), sound()[name]
    (folder / "labels-idx1").write_bytes(LABELS)
    spec = DataSpec(
        "." if "idx" in name else name, target=None if "idx" in name else "y", folder=folder
    )
    for _ in range(count):
        bad = spoiled(name, data, rng)
        (folder / name).write_bytes(bad)
        outcome.of(lambda: prepare(spec), f"{name}: {bad!r}")
    return outcome


@pytest.mark.parametrize("name", sound())
def test_a_spoiled_data_file_is_read_or_refused_in_a_line(tmp_path: Path, name: str) -> None:
    found = spoiled_files(name, 100, 0, tmp_path)
    assert found.wrong == []
    assert found.refused


@pytest.mark.faults
@pytest.mark.parametrize("name", sound())
def test_thousands_of_spoiled_data_files_are_read_or_refused_in_little_room(
    tmp_path: Path, name: str, tally: Tallies
) -> None:
    found = elsewhere(spoiled_files, name, 2_500, 1, tmp_path)
    found.count(tally("data"))
    assert found.wrong == []
    assert found.grown < ROOM


def bombs(folder: Path) -> dict[str, str | None]:
    """Write small files that unfold to much into a folder; return the target of each."""
    zeros = b"\0" * (1 << 20)
    with (folder / "line.csv").open("wb") as file:
        file.write(b"a,y\n")
        file.truncate(50 << 30)  # 50 GiB of which the disk holds nothing
    (folder / "device.csv").symlink_to("/dev/zero")
    with zipfile.ZipFile(folder / "claim.npz", "w") as archive:
        archive.writestr("X.npy", _array((10**13, 1)))
    for name, way in (("deflated", zipfile.ZIP_DEFLATED), ("lzma", zipfile.ZIP_LZMA)):
        with (
            zipfile.ZipFile(folder / f"{name}.npz", "w", way) as archive,
            archive.open("X.npy", "w") as member,
        ):
            member.write(_array((40 << 17, 1)))
            for _ in range(40):
                member.write(zeros)
    with zipfile.ZipFile(folder / "pickled.npz", "w") as archive:
        archive.writestr(
            "X.npy",
            re.sub(b"'<f8'", b"'|O' ", _array((1, 1))) + b"cposix\nsystem\n(S'touch let-in'\ntR.",
        )
    for name, size in (("idx", 2**31), ("idx2", 40 << 20)):
        (folder / name).mkdir()
        (folder / name / "labels-idx1").write_bytes(LABELS)
        with gzip.open(folder / name / "images-idx3.gz", "wb") as file:
            file.write(b"\0\0\x08\x03" + struct.pack(">3I", size, 1, 1))
            for _ in range(40):
                file.write(zeros)
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["x" * 2_000_000])
    rows = pa.array(range(1000))
    pq.write_table(
        pa.table({"a": rows, "y": words}),
        folder / "word.parquet",
        compression="zstd",
        store_schema=False,
    )
    pq.write_table(
        pa.table({"a": words, "y": rows}),
        folder / "words.parquet",
        compression="zstd",
        store_schema=False,
    )
    pq.write_table(
        pa.table({"a": np.zeros(3_000_000), "y": np.zeros(3_000_000)}), folder / "zeros.parquet"
    )
    lying_parquet(folder / "rows.parquet", 20_000_000, 1)
    lists = pa.array([[0.0] * 3_000_000])
    pq.write_table(pa.table({"a": lists, "y": [1]}), folder / "lists.parquet", compression="zstd")
    targets = dict.fromkeys((path.name for path in folder.iterdir()), "y")
    return {
        **targets,
        "idx": None,
        "idx2": None,
        "claim.npz": None,
        "deflated.npz": None,
        "lzma.npz": None,
        "pickled.npz": None,
    }


def _array(shape: tuple[int, ...]) -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return head.getvalue()


def opened(targets: dict[str, str | None], folder: Path) -> Outcome:
    """Return what becomes of files."""
    outcome = Outcome()
    for name, target in targets.items():
        outcome.of(partial(prepare, DataSpec(name, target, folder=folder)), name)
    return outcome


@pytest.mark.slow
def test_no_small_file_unfolds_to_much(tmp_path: Path, tally: Tallies) -> None:
    targets = bombs(tmp_path)
    found = elsewhere(opened, targets, tmp_path)
    group = tally("data")
    group.tried += found.tried
    group.survived += sum(found.refused.values())
    group.tracebacks += len(found.wrong)
    assert (found.wrong, found.read, found.tried) == ([], 0, len(targets))
    assert found.grown < ROOM
    assert not Path("let-in").exists()


# what is shown

EVIL = (
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "{{7*7}}{% include '/etc/passwd' %}",
    "' onmouseover='alert(1)",
    "</title></style><style>*{background:url(//x.org)}</style>",
    "<!--",
    "]]><svg/onload=alert(1)>",
)


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@cache
def pages(text: str) -> dict[str, str]:
    """Return pages of things that are called, chosen and failed by this text."""
    space = Space({"x": Real(0.0, 1.0), text: Choice((text, "b"))})
    seen = SurrogateView(text, text, text, surrogate_report(space, sampled(space, 8), "gp"))
    params: Params = {"lr": 0.01, text: text, "optimizer": text}
    results: dict[int, Result] = {0: done(0.5), 1: Failed("error", text, 0.1), 2: done(0.25)}
    trials = tuple(Trial(number, params, text, 0, number) for number in range(3))
    meta = replace(
        META,
        name=text,
        file=text,
        strategy=text,
        config="data: {source: digits}\ntrain: {epochs: 3}\n",
    )
    study = StudyRecord(meta, History(trials, results), (), ())
    networks = Networks(networks_of(parse(meta.config, "f", Path())))
    layers = (Layer(text, 1.0, 1.0, 0.1, 0.0),)
    usual = {**networks.settings({}), text: text}
    checked = Diagnosis(text, usual, (Probe(0, 0, 2.0, layers), Probe(0, 1, 1.0, layers)))
    return {
        "search": surrogate_page.as_page(seen),
        "trial": trial_page.as_page(trial_report(study, networks, 0)),
        "failed trial": trial_page.as_page(trial_report(study, networks, 1)),
        "diagnosis": diagnosis_page.as_page(text, [checked]),
    }


@pytest.mark.parametrize("evil", EVIL)
def test_no_text_becomes_part_of_a_page(evil: str) -> None:
    harmless = pages("harmless")
    for name, page in pages(evil).items():
        found, usual = Elements(page), Elements(harmless[name])
        assert [tag for tag, _ in found.found] == [tag for tag, _ in usual.found]
        assert [list(attributes) for _, attributes in found.found] == [
            list(attributes) for _, attributes in usual.found
        ]
        assert evil in found.text


def test_no_sign_of_a_page_is_one_that_a_terminal_obeys() -> None:
    for page in pages("a\x1b[31m\u202e\x00").values():
        assert not [sign for sign in page if not sign.isprintable() and sign != "\n"]


@pytest.mark.parametrize("name", ["search", "trial", "failed trial", "diagnosis"])
def test_a_page_runs_nothing_and_asks_nobody(name: str) -> None:
    found = Elements(pages("harmless")[name]).found
    policy, content = "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"
    assert found.index(("meta", {"http-equiv": policy, "content": content})) < found.index(
        ("title", {})
    )
    assert not {tag for tag, _ in found} & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "a",
    }
    names = {attribute for _, attributes in found for attribute in attributes}
    assert not {
        name
        for name in names
        if name.startswith("on") or name in {"src", "href", "action", "srcdoc"}
    }


def test_a_terminal_obeys_no_text_of_a_study(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Text("a\x1b]0;title\x1b[31m\u202e\nb", style="bold")
    seen = r"a\x1b]0;title\x1b[31m\u202e"
    emit(text, result(no_color=True))
    assert capsys.readouterr().out == f"{seen}\nb\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    emit(text, result())
    assert capsys.readouterr().out == f"\x1b[1m{seen}\x1b[0m\n\x1b[1mb\x1b[0m\n"
