"""Errors of data whose cause is a key of the YAML: they name its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpsearch.config.spec import Override, networks_of, parse
from hpsearch.data.prepare import prepare
from hpsearch.errors import Problem, SpecError

NUMBERS = "x,y\n" + "".join(f"{k},{k % 3 + 0.5}\n" for k in range(40))
WORDS = "x,w\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(40))


def found(folder: Path, text: str, *flags: Override) -> Problem:
    """Return the problem with the data that a YAML describes."""
    (folder / "t.csv").write_text(NUMBERS)
    (folder / "w.csv").write_text(WORDS)
    (folder / "i.csv").write_text(f"{NUMBERS}inf,1\n")
    with pytest.raises(SpecError) as caught:
        prepare(networks_of(parse(text, "search.yaml", folder, flags)).data)
    return caught.value.problems[0]


@pytest.mark.group("places of data errors")
@pytest.mark.parametrize(
    ("data", "cause", "code"),
    [
        ("source: none.csv", "none.csv", "E070"),
        ("source: t.txt", "t.txt", "E070"),
        ("source: .", ".", "E073"),
        ("source: t.csv", "t.csv", "E072"),
        ("source: t.csv, target: z", "z", "E072"),
        ("source: t.csv, target: y, split: {column: prat}", "prat", "E072"),
        ("source: t.csv, target: y, split: {column: y}", "y", "E072"),
        ("source: t.csv, target: y, task: classification", "classification", "E075"),
        ("source: w.csv, target: w, task: regression", "regression", "E075"),
        ("source: digits, split: {column: part}", "part", "E076"),
        ("source: w.csv, target: w, split: {folds: 100}", "100", "E076"),
        (
            "source: w.csv, target: w, split: {validation: 0.001}",
            "{validation: 0.001}",
            "E076",
        ),
    ],
)
def test_an_error_whose_cause_is_a_key_names_its_place(
    tmp_path: Path, data: str, cause: str, code: str
) -> None:
    text = f"data: {{{data}}}\n"
    problem = found(tmp_path, text)
    assert problem.code == code
    assert problem.place is not None
    assert problem.place.file == "search.yaml"
    start = problem.place.column - 1
    assert text[start : start + problem.place.length] == cause


@pytest.mark.group("places of data errors")
def test_an_error_whose_cause_is_a_flag_names_the_flag(tmp_path: Path) -> None:
    flag = (("data", "source"), "none.csv", "--set data.source=none.csv")
    place = found(tmp_path, "data: {source: t.csv, target: y}\n", flag).place
    assert place is not None
    assert place.file == "--set data.source=none.csv"


def test_an_error_whose_cause_is_the_file_names_no_key(tmp_path: Path) -> None:
    problem = found(tmp_path, "data: {source: i.csv, target: x}\n")
    assert (problem.code, problem.place) == ("E074", None)
