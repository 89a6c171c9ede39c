"""A diagnosis on a terminal and as JSON."""

from __future__ import annotations

import json
import re
from math import inf, nan

import pytest
from rich.console import Console

from hpsearch.report.diagnosis.text import as_text, thinned
from hpsearch.report.diagnosis.view import record
from tests.report.diagnosis.invented import invented

BROKEN = invented(nan, 0.0, inf, 1e-3, loss=nan)


def test_json_has_null_where_there_is_no_number() -> None:
    text = json.dumps(record("digits", 0, [BROKEN]), allow_nan=False)
    (one,) = json.loads(text)["configurations"]
    assert one["epochs"][1]["loss"] is None
    assert [layer["gradient"] for layer in one["epochs"][0]["layers"]] == [None, 0.0, None, 1e-3]


@pytest.mark.parametrize("colours", [False, True])
def test_the_heat_map_is_read_with_and_without_colours(colours: bool) -> None:
    console = Console(color_system="truecolor", force_terminal=True, no_color=not colours, width=80)
    with console.capture() as capture:
        console.print(as_text("digits", [BROKEN], 80), soft_wrap=True)
    out = capture.get()
    assert ("48;2;" in out) is colours
    plain = re.sub("\x1b[^m]*m", "", out)
    cells = [line.split()[-2:] for line in plain.splitlines() if line.startswith("layer")]
    assert cells == [["0", "1"], ["!", "!"], ["--", "--"], ["!", "!"], ["-3.0", "-3.0"]]
    assert max(map(len, plain.splitlines())) <= 80


def test_a_long_heat_map_keeps_its_ends() -> None:
    assert thinned(range(100), 4) == [0, 33, 66, 99]
    assert thinned(range(3), 4) == [0, 1, 2]
