"""A study of Optuna's on SQLite, to be killed and started again: `make faults` counts what becomes of its trials.

    python -m experiments.peers.killed_optuna FOLDER plain|heartbeat

The folder holds `study.db`, and `said`: the number of each trial as soon as Optuna has told it, one a line. The study
is over when so many trials are complete as were asked for: a resumed one is given what is left, which Optuna does not do
by itself. With a heartbeat, trials of a dead process are found after the grace period and tried again.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

TRIALS = 60
GRACE = 2  # seconds; the least that Optuna's whole seconds allow with a heartbeat each second
_SLEEP = 0.02  # seconds of a trial


def main(folder: Path, kind: str) -> None:
    """Run the study to its end."""
    import optuna

    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=3)
    beat = {"heartbeat_interval": 1, "grace_period": GRACE, "heartbeat_stale_trial_callback": retry}
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder}/study.db", **(beat if kind == "heartbeat" else {}))
    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(storage=storage, study_name="study", sampler=sampler, load_if_exists=True)

    def said(study: object, trial: optuna.trial.FrozenTrial) -> None:
        with (folder / "said").open("a") as log:
            log.write(f"{trial.number}\n")

    enough = optuna.study.MaxTrialsCallback(TRIALS, states=(optuna.trial.TrialState.COMPLETE,))
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if kind == "heartbeat":
        optuna.storages.fail_stale_trials(study)
    if len(complete) < TRIALS:
        study.optimize(objective, callbacks=[said, enough])


def objective(trial) -> float:
    """A bowl of three dimensions; it takes its time."""
    time.sleep(_SLEEP)
    suggest = trial.suggest_float
    return float(sum((suggest(name, -1, 1) - at) ** 2 for name, at in (("x", 0.3), ("y", -0.6), ("z", 0.1))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
