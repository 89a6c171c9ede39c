"""The spellings of other tools: how they write a search space, and how it is written here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

TOOLS: Mapping[str, str] = {
    "low": "Optuna",
    "high": "Optuna",
    "choices": "Optuna",
    "lower": "Ludwig",
    "upper": "Ludwig",
    "categories": "Ludwig",
    "space": "Ludwig",
    "distribution": "W&B",
    "q": "W&B",
    "log_uniform": "W&B",
    "log_uniform_values": "W&B",
    "loguniform": "Ray Tune",
    "uniform": "Ray Tune",
    "choice": "Ray Tune",
    "sampling": "KerasTuner",
    "bounds": "Ax",
    "scaling": "Ax",
    "step_size": "Ax",
    "type": "Ax",
    "parameterType": "Katib",
    "feasibleSpace": "Katib",
    "_type": "NNI",
    "_value": "NNI",
}
"""The keys of a parameter in other tools, and for each a tool that writes it."""

NAMES: Mapping[str, str] = {
    "learning_rate": "lr",
    "weight_decay": "l2",
    "hidden_size": "width",
    "hidden_units": "width",
    "hidden_dim": "width",
    "units": "width",
    "layers": "depth",
    "num_layers": "depth",
    "n_layers": "depth",
    "dropout_rate": "dropout",
    "batch": "batch_size",
    "max_epochs": "epochs",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
}
"""The names that other tools have for settings."""

_COMMAND = "the strategy is the command, such as  hpsearch bayes"
_BUDGET = "write  search: {budget: 50}"
_PARAMETERS = "write 'parameters:'"
SECTIONS: Mapping[str, str] = {
    **dict.fromkeys(("method", "strategy", "algorithm", "sampler", "tuner"), _COMMAND),
    **dict.fromkeys(
        ("run_cap", "n_trials", "max_trials", "maxTrialNumber", "num_samples"), _BUDGET
    ),
    **dict.fromkeys(
        ("space", "search_space", "searchSpace", "params", "hyperparameters"), _PARAMETERS
    ),
    **dict.fromkeys(("goal", "direction"), "nothing to write: the loss is made small"),
}
"""The keys of whole files in other tools, and what is written here instead."""

_LISTS = ("values", "choices", "categories", "choice")
_PAIRS = ("_value", "bounds", "uniform", "loguniform", "log_uniform", "log_uniform_values")


def first_key(entry: Mapping[str, object]) -> str | None:
    """Return the first key of a parameter that is another tool's; None where there is none."""
    return next((key for key in entry if key in TOOLS), None)


def translated(entry: Mapping[str, Any]) -> dict[str, object] | None:
    """Return another tool's parameter as it is written here; None where that cannot be told."""
    words = " ".join(
        str(one) for pair in entry.items() for one in pair if isinstance(one, str)
    ).lower()
    lists = [key for key in _LISTS if isinstance(entry.get(key), list)]
    pair: list[Any] = next((entry[key] for key in _PAIRS if isinstance(entry.get(key), list)), [])
    if lists or (pair and "choice" in words):
        return {"values": entry[lists[0]] if lists else pair}
    low, high, step = (*pair, None, None, None)[:3]
    low = next((entry[key] for key in ("min", "low", "lower") if key in entry), low)
    high = next((entry[key] for key in ("max", "high", "upper") if key in entry), high)
    step = next((entry[key] for key in ("step", "q", "step_size") if key in entry), step)
    if not (_is_number(low) and _is_number(high)):
        return None
    if has_exponents(entry):
        low, high = (float(f"{math.exp(min(end, 700.0)):.3g}") for end in (low, high))
    log = ("log" in words and entry.get("log") is not False) or entry.get("log") is True
    return {
        "min": low,
        "max": high,
        **({"log": True} if log else {"step": step} if _is_number(step) else {}),
    }


def has_exponents(entry: Mapping[str, object]) -> bool:
    """Return whether the ends of a range are exponents of e, as W&B's `log_uniform` takes them."""
    return entry.get("distribution") == "log_uniform"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
