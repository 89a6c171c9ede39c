"""The comparisons of docs/benchmarks/comparisons.md in small: their main claims hold again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments import (
    bench_gpu,
    compare_bayesian,
    compare_inits,
    compare_optimizers,
    compare_regularizers,
    compare_rnn,
    compare_search,
    compare_skips,
)
from experiments.comparison import Row, save, table
from hpsearch.data.shape import InputShape
from hpsearch.engine.device import processor
from hpsearch.engine.structure.memory import member_bytes
from hpsearch.engine.structure.settings import complete
from tests.helpers.pretended import Pretended

pytestmark = pytest.mark.slow

TUNING, SEEDS = range(3, 5), range(3)


def end(losses: np.ndarray) -> float:
    return float(losses[:, -1].mean())


def drawn(figure: Figure, path: Path) -> bytes:
    save(figure, path)
    return path.read_bytes()


def check(
    rows: Sequence[Row], contestants: int, figure: Figure, again: Figure, folder: Path
) -> None:
    """A table with a row for each contestant, and a picture that comes out the same again."""
    assert len(table(rows).splitlines()) == 1 + contestants
    picture = drawn(figure, folder / "one.svg")
    assert b"</svg>" in picture
    assert picture == drawn(again, folder / "two.svg")


def test_gradients_vanish_or_explode_and_orthogonal_weights_keep_them(tmp_path: Path) -> None:
    nets = compare_inits.measure(("tanh",), (5, 20), TUNING, SEEDS, epochs=4)
    first = {
        name: float((norms[:, 0] / norms[:, -1]).mean())
        for (_, name, depth), norms in nets.gradients.items()
        if depth == 20
    }
    assert first["normal, std 0.01"] < 1e-15
    assert first["uniform, up to 1/√width"] < 1e-3
    assert 0.3 < first["orthogonal"] < 3
    assert first["normal, std 0.3"] > 10
    assert end(nets.runs["tanh", "orthogonal", 20].train_loss) < 1.0
    assert end(nets.runs["tanh", "normal, std 0.01", 20].train_loss) > 2.2
    check(
        compare_inits.rows(nets),
        len(nets.runs),
        compare_inits.draw(nets),
        compare_inits.draw(nets),
        tmp_path,
    )


def test_after_a_poor_initialisation_adam_learns_and_plain_descent_does_not(
    tmp_path: Path,
) -> None:
    races = compare_optimizers.measure(("sgd", "adam"), (1e-3, 1e-2, 1e-1), TUNING, SEEDS, epochs=6)
    sgd, adam = (races.best["poor initialisation", name] for name in ("sgd", "adam"))
    assert end(adam.train_loss) < 0.7 * end(sgd.train_loss)
    figures = compare_optimizers.draw(races), compare_optimizers.draw(races)
    check(compare_optimizers.rows(races), len(races.best), *figures, tmp_path)


def test_weight_decay_gains_on_100_labels(tmp_path: Path) -> None:
    names = ("none", "L2", "batch norm")
    judged = compare_regularizers.measure(
        {name: compare_regularizers.TECHNIQUES[name] for name in names}, 6, epochs=60
    )
    gains = judged["none"].loss - judged["L2"].loss
    assert gains.mean() > 2 * gains.std(ddof=1) / np.sqrt(len(gains))
    figures = compare_regularizers.draw(judged), compare_regularizers.draw(judged)
    check(compare_regularizers.rows(judged), len(judged), *figures, tmp_path)


def test_skips_train_what_is_too_deep_without(tmp_path: Path) -> None:
    nets = compare_skips.measure((5, 50), (0.003,), TUNING, SEEDS, epochs=5)
    plain, residual, highway = (
        end(nets[name, 50].train_loss) for name in ("plain", "residual", "highway")
    )
    assert residual < 0.7 * plain
    assert highway < 0.9 * plain
    check(
        compare_skips.rows(nets),
        len(nets),
        compare_skips.draw(nets),
        compare_skips.draw(nets),
        tmp_path,
    )


def test_an_identity_remembers_further_back_than_normal_weights(tmp_path: Path) -> None:
    nets = compare_rnn.measure(("relu, normal", "relu, identity"), (64,), TUNING, SEEDS, epochs=8)
    assert end(nets["relu, identity", 64].train_loss) < 0.9 * end(
        nets["relu, normal", 64].train_loss
    )
    check(
        compare_rnn.rows(nets), len(nets), compare_rnn.draw(nets), compare_rnn.draw(nets), tmp_path
    )


def test_bayesian_nets_are_searched_and_tested_in_pairs_with_one_net(tmp_path: Path) -> None:
    found = compare_bayesian.measure((100,), draws=3, number=2)
    assert {kind for kind, _ in found} == set(compare_bayesian.KINDS)
    for judged in found.values():
        assert (judged.nll < 1.2).all()  # guessing has 2.3
        assert ((judged.ece > 0) & (judged.ece < 0.4)).all()
        assert (judged.accuracy > 0.75).all()
    check(
        compare_bayesian.rows(found),
        len(found),
        compare_bayesian.draw(found),
        compare_bayesian.draw(found),
        tmp_path,
    )


def test_where_one_parameter_matters_a_grid_sees_few_of_its_values_and_a_model_finds_the_valley(
    tmp_path: Path,
) -> None:
    found = compare_search.cover((5,), range(12))
    regret = {name: found[name, 25].regret for name in compare_search.SEARCHES}
    assert len({x for x, _ in found["grid", 25].points}) == 5
    assert len({x for x, _ in found["random", 25].points}) == 25
    for name in ("random", "guided", "bayes"):  # in the same valleys
        gains = regret["grid"] - regret[name]
        assert gains.mean() > 2 * gains.std(ddof=1) / np.sqrt(len(gains))
    figures = compare_search.draw_coverage(found), compare_search.draw_coverage(found)
    check(compare_search.coverage_rows(found), len(found), *figures, tmp_path)


def test_the_front_falls_from_the_cheapest_trial_to_the_best(tmp_path: Path) -> None:
    found = compare_search.study(8, "--epochs", "2")
    rows = compare_search.front_rows(found)
    front = sorted(
        (row for row in found.rows if row.pareto_optimal), key=lambda row: row.cost or 0.0
    )
    losses = [row.loss or 0.0 for row in front]
    assert losses == sorted(losses, reverse=True)
    assert front[-1] is found.best
    default = found.default is not None and not found.default.pareto_optimal
    figures = compare_search.draw_front(found), compare_search.draw_front(found)
    check(rows, len(front) + default + 1, *figures, tmp_path)


def test_the_table_of_arrays_names_the_device_and_ends_where_memory_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = member_bytes(complete(bench_gpu.MODELS["MLP, 2 x 128"]), InputShape((1, 8, 8)), 10)
    Pretended(monkeypatch, 4 * one, one_at_a_time=False)
    monkeypatch.delitem(bench_gpu.MODELS, "ResNet, 16 channels")
    command = ["--device", "cpu", "--most", "16", "--repeats", "1", "-o", str(tmp_path / "table")]
    bench_gpu.main(command)
    first, _, *lines = (tmp_path / "table").read_text().splitlines()
    assert first.startswith(f"Measured on {processor('cpu')} (cpu), torch ")
    rows = [line.split(" | ") for line in lines[2:]]
    assert [row[1] for row in rows] == ["1", "2", "4", "8"]
    assert [row[2] == "does not fit" for row in rows] == [False, False, False, True]
    assert all(float(row[4]) > 0 for row in rows[:3])
