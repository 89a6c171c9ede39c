"""Ask for trials, run them in threads of your own, and tell what became of them.

    python examples/ask_and_tell.py

prints how many trials were run by whom, and whether one of the best was found. What is asked when
depends on who is faster, so another run asks for other trials:

    24 trials by 4 threads
    a loss below 0.1 was found: True
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import hpsearch
from hpsearch.space.space import Params

SPACE = {
    "temperature": {"min": 20.0, "max": 90.0},
    "stirrer": {"values": ["slow", "fast"]},
}
THREADS = 4


def experiment(params: Params) -> float:
    """Return what is left of a substance, after a while; hot water and a fast stirrer are best."""
    time.sleep(0.02)
    distance = (float(params["temperature"]) - 75.0) / 50.0
    return distance**2 + (0.2 if params["stirrer"] == "slow" else 0.0)


def work(study: hpsearch.Study) -> int:
    """Run trials as long as there are any; return how many."""
    count = 0
    while trial := study.ask():
        study.tell(trial, experiment(trial.params))
        count += 1
    return count


def main() -> None:
    """Search with several threads."""
    with (
        TemporaryDirectory() as folder,
        hpsearch.Study(SPACE, Path(folder) / "study", budget=24) as study,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        counts = [*threads.map(work, [study] * THREADS)]
        print(f"{sum(counts)} trials by {len(counts)} threads")
        assert study.best is not None
        print(f"a loss below 0.1 was found: {study.best.loss < 0.1}")


if __name__ == "__main__":
    main()
