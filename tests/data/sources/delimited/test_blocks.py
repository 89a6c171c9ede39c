"""The bytes of text files: unpacked within bounds, and cut where rows end."""

from __future__ import annotations

import gzip
import io
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.data.size import HARMLESS
from hpsearch.data.sources.delimited import blocks
from hpsearch.data.sources.delimited.blocks import (
    line_at,
    raw_blocks,
    utf8_blocks,
    utf8_stream,
    whole_rows,
)
from hpsearch.errors import Problem, SpecError

TEXT = b"a,b\n" + b"".join(b"%d,%d\n" % (k, k * k % 7919) for k in range(20_000))
PACKED = gzip.compress(TEXT)


def refused(data: bytes) -> Problem:
    with pytest.raises(SpecError) as caught:
        for _ in raw_blocks(io.BytesIO(data), "t.csv.gz"):
            pass
    return caught.value.problems[0]


def test_gzip_is_known_by_its_first_bytes() -> None:
    for data in (
        TEXT,
        PACKED,
        PACKED + b"\0" * 512,
        gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
    ):
        assert b"".join(raw_blocks(io.BytesIO(data), "t")) == TEXT


@pytest.mark.parametrize(
    "data",
    [
        PACKED[:12],
        PACKED[: len(PACKED) // 2],
        PACKED[:-12],
        PACKED[:-6] + b"\xff\xff" + PACKED[-4:],
        PACKED[:200] + b"\0" * 99 + PACKED[300:],
        PACKED + b"rest",
    ],
    ids=["in the head", "in the middle", "at the end", "sum", "zeros", "more"],
)
def test_a_damaged_gzip_file_is_refused(data: bytes) -> None:
    problem = refused(data)
    assert problem.code == "E073"
    assert "'t.csv.gz' is a damaged gzip file" in problem.message


def test_a_file_that_unfolds_a_hundredfold_is_refused_before_it_does() -> None:
    found = raw_blocks(io.BytesIO(gzip.compress(b"1,2\n" * (16 << 20))), "bomb.csv.gz")  # 64 MiB
    assert sum(map(len, islice(found, HARMLESS // blocks.BLOCK))) == HARMLESS
    with pytest.raises(SpecError, match="over 100 times") as caught:
        next(found)
    assert caught.value.problems[0].code == "E073"


def test_two_readers_of_a_file_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    for data in (TEXT, PACKED):
        file = io.BytesIO(data)
        pairs = list(zip(raw_blocks(file, "t"), raw_blocks(file, "t"), strict=True))
        assert b"".join(one for one, _ in pairs) == b"".join(two for _, two in pairs) == TEXT


@given(st.text("aé€😀\n", max_size=20), st.integers(1, 5), st.sampled_from([0, 1, 2]))
def test_every_encoding_comes_out_as_utf8(text: str, block: int, kind: int) -> None:
    encoding, written = [("utf-8", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "cp1252")][kind]
    text = text.replace("😀", "") if kind == 2 else text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", max(block, 3))
        file = io.BytesIO(text.encode(written))
        assert utf8_stream(file, "t", encoding).read().decode() == text  # type: ignore[arg-type]


def test_damaged_utf16_is_refused() -> None:
    for data in ("a,b\n".encode("utf-16") + b"\x00", b"\xff\xfea\x00\x00\xdc,\x00"):
        with pytest.raises(SpecError, match="'t' is not sound UTF-16 text"):
            list(utf8_blocks(io.BytesIO(data), "t", "utf-16"))


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a"])), st.integers(1, 5))
def test_the_line_of_a_byte_is_found_across_blocks(parts: list[bytes], size: int) -> None:
    text = b"".join(parts)
    parts_of_text = [text[k : k + size] for k in range(0, len(text), size)]
    lines = io.TextIOWrapper(io.BytesIO(text + b"x"), "ascii", newline="").readlines()
    assert line_at([*parts_of_text, b"x"], len(text)) == len(lines)


@given(
    st.lists(st.sampled_from(["1,2\n", '"a\nb",c\n', '"""\n""",""\n', "\n", '"\n\n\n\n\n",x\r\n'])),
    st.integers(1, 30),
)
def test_blocks_of_rows_end_where_a_row_ends(rows: list[str], size: int) -> None:
    text = "".join(rows)
    ends = {0}
    for row in rows:
        ends.add(max(ends) + len(row))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_CHUNK", size)
        chunks = list(whole_rows(io.BytesIO(text.encode())))
    assert b"".join(chunks) == text.encode()
    assert {sum(map(len, chunks[:k])) for k in range(len(chunks) + 1)} <= ends


def test_no_more_is_read_of_a_row_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "WIDEST", 100)
    monkeypatch.setattr(blocks, "_CHUNK", 10)
    first = next(whole_rows(io.BytesIO(b"x" * 10_000)))
    assert 100 < len(first) <= 110
