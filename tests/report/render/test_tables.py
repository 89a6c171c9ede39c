"""Tables and folded paragraphs."""

from __future__ import annotations

from hpsearch.report.render.tables import PrintedColumn, aligned, folded


def test_columns_are_as_wide_as_their_widest_cell_on_a_terminal() -> None:
    table = [PrintedColumn("name", ["数", "b"], left=True), PrintedColumn("n", ["10", "2"])]
    assert aligned(table) == ["name   n", "数    10", "b      2"]


def test_a_paragraph_is_folded_beside_its_title() -> None:
    text = " ".join(["word"] * 8)
    assert folded("title", text, 30).splitlines() == [
        "title     word word word word",
        "          word word word word",
    ]
    assert folded("", "a" * 50, 30, indent=0) == "a" * 50
