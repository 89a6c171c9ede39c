"""`resume`: go on with a study that was interrupted, or give it a larger budget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hpsearch.commands.flags import OPERATIONAL, searching
from hpsearch.commands.launch import Run, finish
from hpsearch.commands.plan import Plan
from hpsearch.commands.studies import find_study
from hpsearch.data.prepare import prepare
from hpsearch.errors import ConfigDiffers, Problem, SpecError
from hpsearch.search import spent
from hpsearch.store import Store


def resume(given: Mapping[str, Any]) -> int:
    """Go on where the study stands. Returns the exit code."""
    with Store.open(find_study(given["study"])) as store:
        meta, history = store.study().meta, store.study().history
        budget = given["budget"] if given["budget"] is not None else meta.budget
        plan = Plan.of(meta, *searching(given, OPERATIONAL))
        asked = -(-spent(history, plan.epochs) // plan.epochs)
        if budget is not None and budget < asked:
            raise SpecError(
                Problem(
                    "E061",
                    f"the study has {asked} trials already, more than --budget {budget}",
                    help="a budget is a total",
                )
            )
        run = Run.of({**given, "threads": meta.threads, "device": meta.device})
        with run.runner(plan.spec.search.memory) as runner:
            data = prepare(plan.spec.data)
            if data.digest != json.loads(meta.data)["digest"]:
                raise ConfigDiffers(
                    Problem(
                        "E178",
                        f"the data ({plan.spec.data.source}) is not what this study was begun with",
                        help="begin a new study",
                    )
                )
            if budget is not None and budget != meta.budget:
                store.extend(budget)
            return finish(plan, run, runner, data, store)
