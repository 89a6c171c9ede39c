"""The rows on which a model is trained once its settings are known."""

from __future__ import annotations

import numpy as np
import pytest

from hpsearch.data import DataSpec
from hpsearch.data.prepare import prepare
from hpsearch.data.splits.refit import RefitRows, for_refit

HELD_OUT, IN_FOLDS = prepare(DataSpec("wine")), prepare(DataSpec("wine", folds=3))


@pytest.mark.parametrize("rows", ["validation", "all"])
def test_inputs_are_scaled_by_the_rows_that_train(rows: RefitRows) -> None:
    (fold,) = for_refit(HELD_OUT, rows).folds
    assert np.allclose(fold.center, HELD_OUT.inputs[fold.train].mean(0))
    assert not np.allclose(fold.center, HELD_OUT.folds[0].center)


def test_rows_that_validate_train_and_test_rows_stay() -> None:
    data, (kept,) = for_refit(HELD_OUT, "validation"), HELD_OUT.folds
    (fold,) = data.folds
    assert sorted(fold.train) == sorted([*kept.train, *kept.validation])
    assert (len(fold.validation), data.test is HELD_OUT.test) == (0, True)


def test_all_rows_are_all_that_were_kept() -> None:
    few = prepare(DataSpec("wine", rows=60))
    (kept,), data = few.folds, for_refit(few, "all")
    assert sorted(data.folds[0].train) == sorted([*kept.train, *kept.validation, *few.test])
    assert len(data.test) == 0


@pytest.mark.parametrize("rows", ["train", "validation"])
def test_over_folds_it_is_the_fold_on_which_a_winner_is_trained(rows: RefitRows) -> None:
    assert for_refit(IN_FOLDS, rows).folds == (IN_FOLDS.whole,)


def test_what_is_trained_on_keeps_the_digest_of_the_data() -> None:
    assert {for_refit(IN_FOLDS, "all").digest, for_refit(IN_FOLDS, "train").digest} == {
        IN_FOLDS.digest
    }
