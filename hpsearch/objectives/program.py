"""What a worker does for a program of one's own: it runs it, and reads what it reports."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hpsearch.errors import HpsearchError
from hpsearch.objectives.environment import EPOCHS, environment
from hpsearch.objectives.guarded import Guarded, cannot_run, guarded
from hpsearch.objectives.reading import Reading
from hpsearch.objectives.reports import Reporting, Reports
from hpsearch.objectives.trainers import RESULT
from hpsearch.objectives.trial_folder import Log, opened
from hpsearch.runners import Crashed, WorkCrashed, WorkStarted
from hpsearch.runners.processes import death
from hpsearch.shortage import tells_of_lack
from hpsearch.study import files
from hpsearch.study.artefacts import Artefacts
from hpsearch.study.trial import Epoch, Failed, FailureKind, Notice, TrialEnded

_POLL = 0.1  # seconds between looks at the file of reports
_SHOWN = 10  # lines of a log that are kept with a crash


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """One segment of a trial, as a call of a program.

    Attributes:
        words: the command.
        folder: where it runs.
        own: the folder of the trial.
        template: the name and the text of a file that is put there; None for none.
        variables: what its environment says of the trial.
        threads: how many threads it may have.
        patterns: see `CommandSpec`.
        reporting: how its reports are understood.
        number: the number of its training's first segment.
        start_epoch: where the segment begins.
        until_epoch: where it pauses; None where it goes to the end.
        grace: the seconds that it has to end where it does not pause by itself.
    """

    words: tuple[str, ...]
    folder: Path
    own: Path
    template: tuple[str, str] | None
    variables: Mapping[str, str]
    threads: int
    patterns: Mapping[str, str]
    reporting: Reporting
    number: int
    start_epoch: int
    until_epoch: int | None
    grace: float


def run(
    call: ProgramCall, artefacts: Artefacts
) -> Iterator[WorkStarted | Notice | Epoch | TrialEnded | HpsearchError]:
    """Run a program, and give what it reports and what it has come to.

    Raises:
        Crashed: it ended otherwise than it should, or without what counts.
    """
    try:
        with opened(call.own, is_first=not call.start_epoch) as log:
            yield from _run(call, log)
    except HpsearchError as error:  # no trial is to blame for it
        yield error


def _run(call: ProgramCall, log: Log) -> Iterator[WorkStarted | Notice | Epoch | TrialEnded]:
    if call.template:
        name, text = call.template
        files.write(call.own / name, text.encode(), settled=False)
    log.begin(call.words)
    reports = Reports(call.reporting, call.number, call.start_epoch, call.until_epoch)
    patterns = {name: re.compile(pattern) for name, pattern in call.patterns.items()}
    reading = Reading(reports, call.own / RESULT, patterns)
    start = time.perf_counter()
    yield WorkStarted()
    yield from reading.earlier()
    if not reading.is_over:
        yield from _run_program(call, reading, log)
    result = reports.result(time.perf_counter() - start, reading.lack())
    if isinstance(result, Failed) and result.crashed:
        raise _crash(result.kind, result.message, log)
    remarks = [reports.remark(result, "program", EPOCHS), *reading.remarks()]
    yield from map(Notice, filter(None, remarks))
    yield TrialEnded(call.number, result)


def _run_program(call: ProgramCall, reading: Reading, log: Log) -> Iterator[Epoch]:
    variables = environment(call.variables, call.threads)
    with guarded(call.words, call.folder, variables, log.lock) as program:
        try:
            yield from _read(program, reading, log, call.grace)
        except (ValueError, OverflowError) as error:
            raise _crash("error", f"its report is wrong: {error}", log) from error
    if not reading.is_over:
        _check_end(program, call, log)


def _read(program: Guarded, reading: Reading, log: Log, grace: float) -> Iterator[Epoch]:
    """Give what a program reports until it has ended, which it is asked to where it is to pause."""
    while program.running:
        for channel, data in program.read(_POLL):
            log.write(data)
            yield from reading.printed(channel, data)
        yield from reading.written()
        if reading.is_over:
            program.ask_to_end(grace)
    for channel, data in program.rest():
        log.write(data)
        yield from reading.printed(channel, data)
    yield from reading.rest()


def _check_end(program: Guarded, call: ProgramCall, log: Log) -> None:
    """Raise where a program has not ended as it should."""
    if program.refused is not None:
        raise cannot_run(call.words, call.folder, program.refused)
    code = program.code
    if code:
        lacking = tells_of_lack("\n".join(log.last(_SHOWN)))
        raise _crash("memory" if lacking else "error" if code > 0 else "killed", death(code), log)
    if code is None:
        raise _crash("killed", "its process is gone, with all that it had started", log)


def _crash(kind: FailureKind, message: str, log: Log) -> Crashed:
    """Return a crash with the last line of the log, and with the last lines beside it."""
    last = log.last(_SHOWN)
    said = f"{message}: {last[-1]}" if last else f"{message}, and printed nothing"
    return Crashed(WorkCrashed(kind, said, "\n".join(last)))
