"""The command line: it declares commands and options, and calls one function for each command.

Nothing heavy is imported here, so that the help appears at once.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hpsearch import __version__
from hpsearch.errors import EXIT_BUG, EXIT_INTERRUPTED, HpsearchError
from hpsearch.registry import resolve

F = TypeVar("F", bound=Callable[..., Any])


def _flag(*names: str, **settings: Any) -> Callable[[F], F]:
    """Return an option that may also come from the environment, as HPSEARCH_<NAME>."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "HPSEARCH_" + long.strip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **settings)


def _all_of(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that does what these do; the help lists options in their order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


_COUNT = click.IntRange(min=1)

_output = _all_of(
    _flag("--json", is_flag=True, help="Print one JSON object instead of the table."),
    _flag("--quiet", "-q", is_flag=True, help="Print no progress on stderr."),
    _flag("--no-color", is_flag=True, help="Print no colours."),
)
_running = _all_of(
    _flag("--budget", type=_COUNT, metavar="N", help="The number of trials in all."),
    _flag("--time", metavar="T", help="Begin nothing new after this long: 90s, 10m, 1.5h."),
    _flag(
        "--workers",
        type=_COUNT,
        metavar="N",
        help="The number of workers; it does not change the result.  [default: one per core]",
    ),
    _flag(
        "--runner",
        metavar="[local|inline]",  # the table of runners, which loads too much, says what there is
        help="Run trials in processes of their own (local), or in this one (inline).",
    ),
    _flag("--trial-timeout", metavar="T", help="The longest that a trial may take: 90s, 10m."),
    _flag("--memory", metavar="SIZE", help="The most that each worker may hold: 800MB, 4GB."),
    _flag("--grace", metavar="T", help="The time that trials have after Ctrl-C.  [default: 10s]"),
)
_config = click.argument("config", required=False, metavar="[CONFIG]")
_threads = _flag(
    "--threads",
    type=_COUNT,
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
_searching = _all_of(
    _config,
    _running,
    _flag(
        "--epochs", type=_COUNT, metavar="N", help="The most passes over the data in each trial."
    ),
    _flag(
        "--seed",
        type=click.IntRange(min=0),
        metavar="N",
        help="The seed; another one makes another search.  [default: 0]",
    ),
    _flag(
        "--seeds",
        type=_COUNT,
        metavar="R",
        help="Train each trial R times; its loss is the mean.  [default: 1]",
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
        type=click.FloatRange(min=0),
        metavar="W",
        help="The loss you would pay for a training ten times shorter.",
    ),
    _flag(
        "--smoke",
        is_flag=True,
        help="Check quickly that all works: at most 3 trials, 1 epoch, 256 rows.",
    ),
    _output,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="hpsearch")
def cli() -> None:
    """Tune deep networks: a YAML search space goes in, a leaderboard and the best model come out.

    \b
    hpsearch bayes --budget 50            search the built-in example, no file needed
    hpsearch random search.yaml           search your own space
    hpsearch leaderboard                  see the newest study again
    hpsearch show                         see what it has learned of each parameter
    hpsearch resume                       go on with it

    CONFIG is a YAML file; without one it is ./hpsearch.yaml, or else the built-in example
    (scikit-learn's digits). Results go to stdout, progress to stderr.
    """


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
    """Train every combination."""
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
    metavar="[gp|ann|forest]",  # the table of surrogates, which loads too much, says what there is
    help="The model of the loss: a Gaussian process, neural networks or random forests.  "
    "[default: gp]",
)
@_flag(
    "--pareto", is_flag=True, default=None, help="Search for the Pareto front of loss and seconds."
)
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
@_running
@_output
def resume(**given: Any) -> int:
    """Go on with an interrupted study, or extend one with --budget."""
    return _run("hpsearch.commands.resume:resume", **given)


@cli.command()
@click.argument("study", required=False)
@click.option("--top", type=_COUNT, metavar="N", help="Show only the first N rows.")
@click.option(
    "--sort",
    default="score",
    metavar="COLUMN",
    help="The column to sort by: loss, seconds, score or a parameter.",
)
@click.option("--columns", metavar="A,B,...", help="The columns to show.")
@click.option(
    "--format",
    type=click.Choice(["table", "csv", "json", "md"]),
    default="table",
    show_default=True,
    help="The format of the output.",
)
@click.option(
    "--precision",
    type=click.IntRange(1, 17),
    default=4,
    show_default=True,
    metavar="N",
    help="The number of significant digits.",
)
@click.option(
    "--time-weight",
    type=click.FloatRange(min=0),
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
@click.argument("study", required=False)
@click.argument("number", required=False, type=click.IntRange(min=0), metavar="[N]")
@_output
@click.option("-o", "page", metavar="FILE", help="Write an HTML page as well.")
def show(**given: Any) -> int:
    """Show what a search has learned, or its trial N.

    Without N, the loss that a model expects along each parameter is shown, how sure the model is,
    and where it would try next.
    """
    return _run("hpsearch.commands.show:show", **given)


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
    type=click.IntRange(min=0),
    metavar="N",
    help="The seed; another one begins with other weights.  [default: 0]",
)
@_threads
@_device
@_flag("--smoke", is_flag=True, help="Check quickly that all works: 1 epoch, 256 rows.")
@_output
@click.option("-o", "page", metavar="FILE", help="Write an HTML page as well.")
def diagnose(**given: Any) -> int:
    """Train for a few epochs and say what is wrong with signals and gradients in each layer."""
    return _run("hpsearch.commands.diagnose:diagnose", **given)


def _run(target: str, *arguments: Any, **given: Any) -> int:
    """Call a command's function and return its exit code.

    An error that a person can mend is printed without a traceback.
    """
    as_json = bool(given.get("json"))
    try:
        code: int = resolve(target)(*arguments, **given)
        return code
    except HpsearchError as error:
        _complain(error, as_json)
        return error.exit_code
    except Exception as error:  # a bug of hpsearch, not of the person who uses it
        with tempfile.NamedTemporaryFile(
            "w", prefix="hpsearch-", suffix=".log", delete=False, encoding="utf-8"
        ) as log:
            log.write(traceback.format_exc())
        said = f"this is a bug in hpsearch: {type(error).__name__}: {error}"
        click.echo(f"{said}\nthe traceback is in {log.name}", err=True)
        return EXIT_BUG


def _complain(error: HpsearchError, as_json: bool) -> None:
    if as_json:
        found = {
            "errors": [problem.record() for problem in error.problems],
            "exit": error.exit_code,
        }
        click.echo(json.dumps(found, indent=2), err=True)
    else:
        click.echo(str(error), err=True)


def main() -> None:
    """Run the command line, and exit with the code that the command returns."""
    try:
        code = cli.main(prog_name="hpsearch", standalone_mode=False)
    except click.exceptions.Exit as exit:
        code = exit.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = EXIT_INTERRUPTED
    except BrokenPipeError:  # `hpsearch leaderboard | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
