"""The command line: it declares commands and options, and calls one function for each command.

Nothing heavy is imported here, so that the help appears at once.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

import click

from hpsearch import __version__, output, text
from hpsearch.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    MAKE_DO,
    HpsearchError,
    NoResources,
    Place,
    Problem,
    SpecError,
)
from hpsearch.option_types import Number, Whole
from hpsearch.registry import closest, resolve

F = TypeVar("F", bound=Callable[..., Any])

_ENVIRONMENT = "HPSEARCH_"
_DASHES = "--"
_LIMITS = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
_UNLOADED = (os.strerror(errno.EMFILE), "failed to map segment", "cannot allocate memory")
"""How the system's loader says that a limit is in its way."""


def _flag(*names: str, **settings: Any) -> Callable[[F], F]:
    """Return an option that may also come from the environment, as HPSEARCH_<NAME>."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = _ENVIRONMENT + long.strip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **settings)


def _all_of(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that does what these do; the help lists options in their order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _with_command(function: F) -> F:
    """Pass a command what stands after `--` as `command`."""

    @wraps(function)
    def called(**given: Any) -> Any:
        return function(command=click.get_current_context().obj or (), **given)

    return cast(F, called)


_COUNT = Whole(min=1)
_SURROGATES = "[gp|ann|forest]"  # their table, which loads too much, says what there is

_output = _all_of(
    _flag("--json", is_flag=True, help="Print one JSON object instead of the table."),
    _flag("--quiet", "-q", is_flag=True, help="Print no progress on stderr."),
    _flag("--no-color", is_flag=True, help="Print no colours."),
)
_ending = _all_of(
    _flag("--budget", type=_COUNT, metavar="N", help="The number of trials in all."),
    _flag("--time", metavar="T", help="Begin nothing new after this long: 90s, 10m, 1.5h."),
)
_workers = _flag(
    "--workers",
    type=_COUNT,
    metavar="N",
    help="The number of workers; it does not change the result.  [default: one per GPU, or core]",
)
_running = _all_of(
    _ending,
    _workers,
    _flag(
        "--runner",
        # the table of runners, which loads too much, says what there is
        metavar="[local|inline|ray]",
        help="Run trials in processes of their own (local), in this one (inline), or by Ray.",
    ),
    _flag(
        "--address",
        metavar="ADDR",
        help="The Ray cluster to run on: 10.0.0.5:6379, or auto.  [default: one is started here]",
    ),
    _flag("--trial-timeout", metavar="T", help="The longest that a trial may take: 90s, 10m."),
    _flag("--memory", metavar="SIZE", help="The most that each worker may hold: 800MB, 4GB."),
    _flag("--grace", metavar="T", help="The time that trials have after Ctrl-C.  [default: 10s]"),
)
_page = _all_of(
    click.option("-o", "page", metavar="FILE", help="Write an HTML page as well."),
    click.option("--force", is_flag=True, help="Let -o write over what is no page of hpsearch."),
)
_moved = click.option(
    "--data", metavar="PATH", help="Read the data from here, where they have moved to."
)
_trial = _all_of(
    click.argument("study", required=False),
    click.argument("number", required=False, type=Whole(min=0), metavar="[N]"),
)
_replacing = click.option("--force", is_flag=True, help="Replace the model that is there.")
_config = click.argument("config", required=False, metavar="[CONFIG]")
_threads = _flag(
    "--threads",
    type=Whole(1, 1024),  # beyond that torch crashes
    default=1,
    show_default=True,
    metavar="N",
    help="The threads of each worker.",
)
_device = _flag(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda[:i]",
    help="The device to train on.",
)
_target = _flag("--target", metavar="NAME", help="The column of a table that is to be predicted.")
_space = _flag(
    "--space",
    metavar="[basic|learning-rate|all|FILE]",
    help="What is searched without a CONFIG: a space by its name, or that of a YAML file.  "
    "[default: basic]",
)
_learning = _all_of(
    click.argument("config", required=False, metavar="[CONFIG] [-- COMMAND]"),
    _target,
    click.option("--data", metavar="PATH", help="What to learn from; no CONFIG is needed then."),
    _space,
)
_searching = _all_of(
    _learning,
    _running,
    _flag(
        "--epochs", type=_COUNT, metavar="N", help="The most passes over the data in each trial."
    ),
    _flag(
        "--seed",
        type=Whole(min=0),
        metavar="N",
        help="The seed; another one makes another search.  [default: 0]",
    ),
    _flag(
        "--seeds",
        type=_COUNT,
        metavar="R",
        help="Train each trial R times; its loss is the mean.  [default: 1]",
    ),
    _flag(
        "--metric",
        metavar="NAME",
        help="What trials are judged by: loss, or a metric such as f1, auc or rmse.  "
        "[default: loss]",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set a key of the YAML, such as lr=0.01 or search.wave=8.",
    ),
    _flag(
        "--study",
        metavar="DIR",
        help="The folder to keep the study in.  [default: runs/NAME-STRATEGY]",
    ),
    _threads,
    _device,
    _flag(
        "--time-weight",
        type=Number(min=0),
        metavar="W",
        help="The loss you would pay for a training ten times shorter.",
    ),
    _flag(
        "--smoke",
        is_flag=True,
        help="Check quickly that all works: at most 3 trials, 1 epoch, 256 rows.",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Print the commands that the first trials would run; nothing is run or written.",
    ),
    _output,
    _with_command,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="hpsearch")
def cli() -> None:
    """Tune deep networks: a YAML search space goes in, a leaderboard and the best model come out.

    \b
    hpsearch bayes --budget 50            search the built-in example, no file needed
    hpsearch random search.yaml           search your own space
    hpsearch bayes space.yaml -- python train.py {args}      search your own program
    hpsearch leaderboard                  see the newest study again
    hpsearch show                         see what it has learned of each parameter
    hpsearch resume                       go on with it

    CONFIG is a YAML file; without one it is ./hpsearch.yaml (or .yml), or else the built-in example
    (scikit-learn's digits). A command after -- is what each trial runs, in place of a network.
    Results go to stdout, progress to stderr.
    """


@cli.command()
@click.argument("data")
@_target
@_space
@click.option(
    "-o",
    "out",
    metavar="FILE",
    default="hpsearch.yaml",
    show_default=True,
    help="The YAML file to write; it must not be there.",
)
@_flag("--quiet", "-q", is_flag=True, help="Print nothing on stderr.")
@_flag("--no-color", is_flag=True, help="Print no colours.")
def init(**given: Any) -> int:
    """Write a first YAML for DATA: what each column holds, and a space that fits.

    DATA is a table, an array file, a folder of images, or a name such as wine.
    """
    return _run("hpsearch.commands.init:init", **given)


@cli.command()
@_learning
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set any key of the YAML."
)
@_flag(
    "--probe",
    is_flag=True,
    help="Train some steps of some trials, and say how long they take on this machine.",
)
@_ending
@_workers
@_threads
@_device
@_output
@_with_command
def check(**given: Any) -> int:
    """Say what the data look like, what is doubtful, and what a search costs; nothing is searched.

    Costs are counted, or measured with --probe: those of a search of --budget trials, and how many
    trials fit into --time.
    """
    return _run("hpsearch.commands.check:check", **given)


@cli.command()
@_searching
@click.option("--trials", metavar="FILE", help="Take the trials from a CSV, JSON or YAML file.")
def manual(**given: Any) -> int:
    """Train hand-picked settings: those under `trials:`, or a few from the literature."""
    return _run("hpsearch.commands.search:search", "manual", **given)


@cli.command()
@_searching
@_flag("--points", type=_COUNT, metavar="N", help="The ticks of each number.  [default: 5]")
@click.option("--all", is_flag=True, help="Run a grid of more than 1,000 points.")
def grid(**given: Any) -> int:
    """Train every combination, spread over the grid."""
    return _run("hpsearch.commands.search:search", "grid", **given)


_confirming = _flag(
    "--confirm/--no-confirm",
    default=None,
    help="Run the best trials again in the end.  [default: from 40 trials on]",
)
_halving = _flag(
    "--halving/--no-halving",
    default=None,
    help="Prune most trials early; --budget N is then the work of N whole trials.",
)


@cli.command()
@_searching
@_confirming
@_halving
@_flag("--rounds", type=_COUNT, metavar="T", help="Draw in T rounds.  [default: 1]")
@_flag(
    "--guided/--no-guided",
    default=None,
    help="Draw later rounds around the best trials so far.  [default: with --rounds]",
)
def random(**given: Any) -> int:
    """Draw settings at random, never the same twice."""
    return _run("hpsearch.commands.search:search", "random", **given)


@cli.command()
@_searching
@_confirming
@_halving
@_flag(
    "--surrogate",
    metavar=_SURROGATES,
    help="The model of the loss: a Gaussian process, neural networks or random forests.  "
    "[default: gp]",
)
@_flag("--pareto", is_flag=True, default=None, help="Search for the Pareto front of loss and cost.")
@_flag(
    "--until-converged",
    is_flag=True,
    default=None,
    help="End the search when more trials are not worth it.",
)
def bayes(**given: Any) -> int:
    """Let a model of the loss choose what to train next."""
    return _run("hpsearch.commands.search:search", "bayes", **given)


@cli.command()
@click.argument("study", required=False)
@_moved
@click.option(
    "--folder", metavar="PATH", help="Run a trainer of one's own in here, where it has moved to."
)
@_running
@_output
def resume(**given: Any) -> int:
    """Go on with an interrupted study, or extend one with --budget."""
    return _run("hpsearch.commands.resume:resume", **given)


@cli.command()
@click.argument("study", required=False)
@click.option(
    "--top",
    type=_COUNT,
    metavar="N",
    help="Show only the first N rows.  [default: 1000 in a table, else all]",
)
@click.option(
    "--sort",
    default="score",
    metavar="COLUMN",
    help="The column to sort by: loss, seconds, score or a setting; -COLUMN turns the order round.",
)
@click.option(
    "--columns",
    metavar="A,B,...",
    help="The columns to show: figures, and any setting.  Quote a name that has a comma.",
)
@click.option(
    "--format",
    type=click.Choice(["table", "csv", "json", "md"]),
    default="table",
    show_default=True,
    help="The format of the output.",
)
@click.option(
    "--precision",
    type=Whole(1, 17),
    default=4,
    show_default=True,
    metavar="N",
    help="The number of significant digits.",
)
@click.option(
    "--time-weight",
    type=Number(min=0),
    metavar="W",
    help="Add W log10(cost / median cost) to each loss.",
)
@click.option(
    "--by",
    type=click.Choice(["cost", "seconds"]),
    default="cost",
    show_default=True,
    help="The price that is weighed, and that marks go by.",
)
@_flag("--no-color", is_flag=True, help="Print no colours.")
def leaderboard(**given: Any) -> int:
    """Print what a study has found, also while it runs."""
    return _run("hpsearch.commands.leaderboard:leaderboard", **given)


@cli.command()
@_trial
@click.option(
    "--surrogate",
    metavar=_SURROGATES,
    help="The model that is fitted to the trials.  [default: that of the search]",
)
@_output
@_page
def show(**given: Any) -> int:
    """Show what a search has learned, or its trial N; or an exported model.

    Without N, the loss that a model expects along each parameter is shown, how sure the model is,
    and where it would try next. STUDY may be the folder of a model as well.
    """
    return _run("hpsearch.commands.show:show", **given)


@cli.command()
@_trial
@click.option("-o", "out", metavar="PATH", required=True, help="The folder or file to make.")
@click.option(
    "--format",
    type=click.Choice(["folder", "onnx"]),
    default="folder",
    show_default=True,
    help="What to make: a folder for hpsearch, or a file of ONNX.",
)
@_replacing
@_moved
@_output
def export(**given: Any) -> int:
    """Take the trained model of the winner, or of trial N, out of a study.

    A folder has all that it takes to predict, and needs neither the study nor the data. A file of
    ONNX is run by other programs, without hpsearch; it takes  pip install 'hpsearch[onnx]'  to
    write one. Where the weights of the trial were not kept, it is trained again.
    """
    return _run("hpsearch.commands.export:export", **given)


@cli.command()
@_trial
@click.option("-o", "out", metavar="FOLDER", required=True, help="The folder to make.")
@_replacing
@click.option(
    "--on",
    type=click.Choice(["train", "validation", "all"]),
    default="validation",
    show_default=True,
    help="Train on the rows that train, also on those that validate, or on all rows.",
)
@click.option(
    "--seeds",
    type=_COUNT,
    metavar="R",
    help="Train R networks, whose answers are averaged.  [default: as many as each trial has]",
)
@_moved
@_output
def retrain(**given: Any) -> int:
    """Train a new model with the settings of the winner, or of trial N.

    It is trained for as many epochs as were best for the trial, and scored on the rows that are
    left. A score on the test rows counts as an evaluation of the study's.
    """
    return _run("hpsearch.commands.retrain:retrain", **given)


@cli.command()
@_trial
@_moved
@_output
def replay(**given: Any) -> int:
    """Train the winner again, or trial N, and say whether it comes to the same.

    It is trained in the company that it had, with the study's seed and threads, and nothing is
    written into the study. The exit code is 0 where it comes to the same, 1 where it differs, and
    78 where that cannot be expected here.
    """
    return _run("hpsearch.commands.replay:replay", **given)


@cli.command()
@click.argument("model")
@click.argument("data")
@click.option("-o", "out", metavar="FILE", help="The CSV file to write.  [default: stdout]")
@click.option("--proba", is_flag=True, help="Write the probability of each class as well.")
@click.option("--explain", is_flag=True, help="Say on stderr how each column was read.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@_flag("--quiet", "-q", is_flag=True, help="Print no notes on stderr.")
@_flag("--no-color", is_flag=True, help="Print no colours.")
def predict(**given: Any) -> int:
    """Predict the rows of a table, or a folder of images, with a model.

    MODEL is a folder that was exported, or a study, whose winner predicts. A table is text or
    Parquet, and - is one from standard input. Columns are matched by their names; the target need
    not be among them.
    """
    return _run("hpsearch.commands.predict:predict", **given)


@cli.command()
@_config
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=A[,B...]",
    help="Set a key of the YAML; a setting with several values is trained with each of them.",
)
@_flag(
    "--epochs",
    type=_COUNT,
    metavar="N",
    help="The passes over the data.  [default: the first 5 of the training]",
)
@_flag(
    "--seed",
    type=Whole(min=0),
    metavar="N",
    help="The seed; another one begins with other weights.  [default: 0]",
)
@_threads
@_device
@_flag("--smoke", is_flag=True, help="Check quickly that all works: 1 epoch, 256 rows.")
@_output
@_page
def diagnose(**given: Any) -> int:
    """Train for a few epochs and say what is wrong with signals and gradients in each layer."""
    return _run("hpsearch.commands.diagnose:diagnose", **given)


def _run(command: str, /, *arguments: Any, **given: Any) -> int:
    """Call a command's function and return its exit code.

    An error that a person can mend is printed without a traceback.
    """
    as_json = bool(given.get("json"))
    try:
        _check_command(given)
        _check_names(given)
        _check_environment()
        code: int = resolve(command)(*arguments, **given)
        return code
    except HpsearchError as error:
        _complain(error, as_json)
        return error.exit_code
    except Exception as error:
        if limit := _limit(error):
            _complain(limit, as_json)
            return limit.exit_code
        said = f"this is a bug in hpsearch: {type(error).__name__}: {error}"
        output.tell(f"{text.one_line(said)}\n{_kept(traceback.format_exc())}")
        return EXIT_BUG


def _check_command(given: Mapping[str, Any]) -> None:
    """Refuse a command after `--` where nothing would run it.

    Raises:
        SpecError: nothing would.
    """
    context = click.get_current_context()
    if context.obj is not None and not given.get("command"):
        message = f"what stands after -- is run by a search, and not by {context.info_name}"
        if "command" in given:
            message = "nothing stands after --"
        help = "such as  hpsearch bayes space.yaml -- python train.py {args}"
        raise SpecError(Problem("E015", message, help=help))


def _check_names(given: Mapping[str, Any]) -> None:
    """Refuse what a study could not say of itself, which is a text of UTF-8.

    Raises:
        SpecError: an option or the working directory is not UTF-8, or the latter is gone.
    """
    try:
        here = os.getcwd()  # noqa: PTH109 (pathlib is not loaded for it)
    except OSError as error:
        message = f"the working directory cannot be used: {error.strerror}"
        raise SpecError(
            Problem("E014", message, help="change to a folder that is there")
        ) from error
    values = [here, *given.values()]
    parts = [part for value in values for part in (value if isinstance(value, tuple) else [value])]
    for part in parts:
        shown = str(part).encode("utf-8", "backslashreplace").decode()
        if shown != str(part):
            what = "the working directory" if part is here else "what was given"
            message = f"the name of {what} is not UTF-8: {shown}"
            raise SpecError(Problem("E014", message, help="rename it, or use another one"))


def _limit(error: Exception) -> NoResources | None:
    """Return an error as one of the system's limits, if it is one."""
    short = isinstance(error, OSError) and error.errno in _LIMITS
    unloaded = isinstance(error, ImportError) and any(said in str(error) for said in _UNLOADED)
    if not (short or unloaded or isinstance(error, MemoryError)):
        return None
    said = (error.strerror if isinstance(error, OSError) else str(error)) or "out of memory"
    return NoResources(Problem("E171", f"the system gives no more: {said}", help=MAKE_DO))


def _kept(trace: str) -> str:
    """Keep a traceback in a file, and return where it is; itself where none can be written."""
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="hpsearch-",
            suffix=".log",
            delete=False,
            encoding="utf-8",
            errors=text.ERRORS,
        ) as log:
            log.write(trace)
    except OSError:
        return trace
    return f"the traceback is in {log.name}"


def _check_environment() -> None:
    """Refuse variables that are a slip of one of ours, or of an option that has none.

    Others that begin like ours may be somebody else's.
    """
    options = [option for command in cli.commands.values() for option in command.params]
    ours = {_ENVIRONMENT + "DATA", *(str(one.envvar) for one in options if one.envvar)}
    names = {name.removeprefix(_ENVIRONMENT) for name in ours}
    problems = []
    for variable in sorted(name for name in os.environ if name.startswith(_ENVIRONMENT)):
        name = variable.removeprefix(_ENVIRONMENT)
        flag = "--" + name.lower().replace("_", "-")
        near = closest(name.upper(), names)
        if name.upper() not in names and any(flag in option.opts for option in options):
            message, help = f"{flag} does not come from the environment", "give it as an option"
        elif variable not in ours and near:
            message, help = f"no option is called {variable}", f"did you mean {_ENVIRONMENT}{near}?"
        else:
            continue
        place = Place(f"{variable}={os.environ[variable]}", 0, 0)
        problems.append(Problem("E012", message, place, help=help))
    if problems:
        raise SpecError(*problems)


def _complain(error: HpsearchError, as_json: bool) -> None:
    if as_json:
        found = {
            "errors": [problem.record() for problem in error.problems],
            "exit": error.exit_code,
        }
        output.tell(json.dumps(found, indent=2))
    else:
        output.tell(str(error))


def main() -> None:
    """Run the command line, and exit with the code that the command returns."""
    output.prepare()
    try:
        code = _main()
    except HpsearchError as error:  # the value of an option, or help that cannot be printed
        _complain(error, "--json" in _split(sys.argv[1:])[0])
        code = error.exit_code
    output.finish()
    sys.exit(code)


def _split(arguments: list[str]) -> tuple[list[str], list[str], tuple[str, ...]]:
    """Return what stands before the first `--`, that itself if it is there, and what follows."""
    at = arguments.index(_DASHES) if _DASHES in arguments else len(arguments)
    return arguments[:at], arguments[at : at + 1], tuple(arguments[at + 1 :])


def _main() -> int:
    try:
        # split before click reads it: it would take what stands after -- for arguments
        before, dashes, command = _split(sys.argv[1:])
        words = command if dashes else None
        code: int = cli.main(before, prog_name="hpsearch", standalone_mode=False, obj=words)
        return code
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        output.tell(said.getvalue().rstrip())
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except SystemExit:  # click's word for a reader of help that has seen enough (`| head`)
        return EXIT_OK
    except OSError as error:
        raise output.lost(error) from error
