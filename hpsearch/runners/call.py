"""One piece of work, called in this process. Only here whatever a trial raises is caught."""

from __future__ import annotations

import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import spawn
from typing import Any, TypeVar

from hpsearch.errors import MAKE_DO, HpsearchError, NoResources, Problem, SpecError
from hpsearch.registry import resolve
from hpsearch.runners import Crashed, SetUp, Work, WorkCrashed, WorkFinished
from hpsearch.shortage import lacks_memory, too_much
from hpsearch.study.artefacts import Artefacts

_MAIN = 'workers import the script again, but not what is under  if __name__ == "__main__":'

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


@contextmanager
def _caught(kind: type[E]) -> Iterator[list[E]]:
    """Catch what is raised in here of a kind, and give it in a list."""
    raised: list[E] = []
    try:
        yield raised
    except BaseException as error:
        if not isinstance(error, kind):
            raise
        raised.append(error)


def contained(call: Callable[[], T]) -> T:
    """Return what a call gives of what a person has written, which is to end nothing but itself.

    Raises:
        RuntimeError: it raised what is no ordinary exception, such as SystemExit.
    """
    with _caught(BaseException) as raised:
        return call()
    (error,) = raised
    if isinstance(error, Exception):
        raise error
    left = isinstance(error, SystemExit)
    message = f"it called sys.exit({error.code!r})" if left else f"it raised {error!r}"
    raise RuntimeError(message) from error


def attempt(call: Callable[[], T], help: str = _MAIN) -> T | HpsearchError:
    """Return what a call gives that imports what a person has written, or what is wrong with it.

    `help` says what may help where that is no error of ours.
    """
    with _caught(BaseException) as raised:
        return call()
    (error,) = raised
    if isinstance(error, HpsearchError):
        return error
    if lacks_memory(error):
        message = f"a worker lacks memory to import what it is to call: {_last_line(error)}"
        return NoResources(Problem("E171", message, help=MAKE_DO))
    message = f"a worker cannot import what it is to call: {_last_line(error)}"
    return SpecError(Problem("E020", message, help=help))


def refuse_in_worker() -> None:
    """Refuse to start anything in a process that only imports its coordinator's script.

    Raises:
        SpecError: this is one.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        message = "the script starts a search again in each worker, which imports it"
        help = 'what is to run once stands under  if __name__ == "__main__":'
        raise SpecError(Problem("E020", message, help=help))


def main_module() -> Mapping[str, object]:
    """Return what names the main module, by keys of `multiprocessing.spawn.prepare`."""
    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    path = getattr(main, "__file__", None)
    named = {"init_main_from_name": name} if name else {"init_main_from_path": path}
    return {"sys_argv": sys.argv, **(named if name or path else {})}


def import_main(main: Mapping[str, object]) -> None:
    """Import the main module of the coordinator, under another name, for what it defines.

    Args:
        main: keys of `multiprocessing.spawn.prepare`.
    """
    process: Any = multiprocessing.current_process()
    process._inheriting = True  # by which multiprocessing knows that nothing may be started
    try:
        spawn.prepare(dict(main))
    finally:
        del process._inheriting


def prepare(wanted: SetUp, done: SetUp) -> SetUp:
    """Set this process up for work, unless that was `done` before; return what is set up now."""
    if wanted != done and wanted.call:
        resolve(wanted.call)(wanted.argument)
    return wanted


def events(
    work: Work,
    artefacts: Artefacts,
    set_up: Callable[[SetUp], None],
    memory: int | None = None,
) -> Iterator[object]:
    """Give the events of a piece of work, and at last `WorkFinished` or `WorkCrashed`.

    Args:
        work: what is called.
        artefacts: what is handed to it beside its argument.
        set_up: sets this process up for it, unless it is.
        memory: how many bytes this process may hold, for the message where they are too few.
    """
    start = time.perf_counter()
    with _caught(Exception) as raised:  # whatever a trial raises is its result
        set_up(work.set_up)
        yield from resolve(work.call)(work.argument, artefacts)
    seconds = time.perf_counter() - start
    yield crash(raised[0], memory, seconds) if raised else WorkFinished()


def crash(error: Exception, memory: int | None, seconds: float) -> WorkCrashed:
    """Return what work that raised this has come to."""
    if isinstance(error, Crashed):
        return replace(error.crash, seconds=seconds)
    trace = "".join(traceback.format_exception(error))
    if lacks_memory(error):
        return WorkCrashed("memory", too_much(memory), trace, seconds)
    return WorkCrashed("error", _last_line(error), trace, seconds)


def _last_line(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error}"  # its text has the place, which else stands above
    return traceback.format_exception_only(error)[-1].strip().splitlines()[0]
