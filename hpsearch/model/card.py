"""A model in words, for people: the README.md in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hpsearch.metrics import unit_of
from hpsearch.text import one_line

_USE = """## How to use it

```sh
hpsearch predict MODEL rows.csv -o predictions.csv
```

```python
import hpsearch

model = hpsearch.load("MODEL")
model.predict(frame)
```

Columns are matched by their names, in any order; others are passed over. A missing value and a
category that training had not seen are treated as in training.
"""

_TRAINED_ON = {
    "train": "those that train",
    "validation": "those that train and those that validate",
    "all": "all rows, so that none was left to score it on",
}


def card(record: Mapping[str, Any]) -> str:
    """Return the text of a model's card, in Markdown."""
    return "\n".join([*_lines(record), _USE])


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    model = record["model"]
    kind = "classes" if model["classes"] else "numbers"
    yield f"# A model that predicts {_plain(model['target'])}"
    yield ""
    yield f"It was trained by hpsearch {model['versions'].get('hpsearch', '')} on the data set"
    yield f"`{_plain(model['data'])}`, and predicts {kind}"
    if model["classes"]:
        names = ", ".join(_plain(name) for name in model["classes"][:20])
        yield f"({names}{', ...' if len(model['classes']) > 20 else ''})."
    else:
        yield "in the unit of the data."
    yield ""
    if done := record.get("retrained"):
        yield f"It is a new model with the settings of trial {record['trial']} of the study"
        yield f"`{_plain(record['study'])}`. It was trained for {done['epochs']} epochs"
        yield f"on {done['rows']:,} rows: {_TRAINED_ON[done['on']]}."
        yield ""
    yield from _figures(record.get("metrics", {}))
    yield from _columns(model["columns"])
    yield "## Its settings"
    yield ""
    members = model["members"]
    if len(members) > 1:
        yield f"It is {len(members)} networks with these settings, whose answers are averaged: each"
        yield "was trained with a seed of its own, or on a fold of its own."
        yield ""
    for name, value in members[0]["settings"].items():
        yield f"- {name}: {_plain(str(value))}"
    yield ""
    if command := record.get("command"):
        yield f"Written by `{_plain(command)}`."
        yield ""


def _figures(metrics: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    if not metrics:
        return
    yield "## How good it is"
    yield ""
    for part, figures in metrics.items():
        ends = {f"{name}_{end}" for name in figures for end in ("low", "high")}
        said = ", ".join(_said(name, figures) for name in figures if name not in ends)
        yield f"- on the {part} rows: {said}"
    yield ""


def _said(name: str, figures: Mapping[str, float]) -> str:
    """Return a figure in words, with its interval where it has one.

    >>> _said("loss", {"loss": 0.0912, "loss_low": 0.0834, "loss_high": 0.1})
    'loss 0.0912 (95 % interval 0.0834 to 0.1)'
    """
    text = f"{name} {_figure(name, figures[name])}"
    if f"{name}_low" not in figures:
        return text
    low, high = (_figure(name, figures[f"{name}_{end}"]) for end in ("low", "high"))
    return f"{text} (95 % interval {low} to {high})"


def _figure(name: str, value: float) -> str:
    """Return a figure in four digits; a large one in the unit of the target is written out.

    >>> _figure("loss", 0.123456), _figure("rmse", 43120.7), _figure("rmse", 0.123456)
    ('0.1235', '43,121', '0.1235')
    """
    is_long = unit_of(name) == "target" and 1e4 <= abs(value) < 1e12
    return f"{value:,.0f}" if is_long else f"{value:.4g}"


def _columns(columns: list[Mapping[str, Any]]) -> Iterator[str]:
    if not columns:
        return
    yield "## What it reads"
    yield ""
    for column in columns:
        yield f"- {_plain(column['name'])}: {column['kind']}"
    yield ""


def _plain(text: str) -> str:
    """Return a text as one line that means nothing in Markdown."""
    marks = "\\`*_{}[]<>()#+!|~"
    return "".join(f"\\{mark}" if mark in marks else mark for mark in one_line(text))
