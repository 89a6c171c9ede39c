"""Where results and progress go: stdout and stderr, with or without colour."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from rich.console import Console
from rich.text import Text

_ENDLESS = 100_000  # columns: a table in a file is not cut


def result(no_color: bool = False) -> Console:
    """Return the console for results, on stdout."""
    return _console(sys.stdout, no_color)


def progress(no_color: bool = False) -> Console:
    """Return the console for progress, warnings and hints, on stderr."""
    return _console(sys.stderr, no_color)


def _console(stream: TextIO, no_color: bool) -> Console:
    # rich obeys NO_COLOR, FORCE_COLOR and TERM=dumb by itself
    width = None if stream.isatty() or "COLUMNS" in os.environ else _ENDLESS
    return Console(
        file=stream, no_color=no_color or None, width=width, highlight=False, soft_wrap=False
    )


def emit(text: str) -> None:
    """Write a result to stdout; whoever reads it may have seen enough (`| head`)."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def rendered(text: Text, console: Console) -> str:
    """Return what the console would print; signs that a terminal would obey are made visible."""
    text = text.copy()
    text.plain = "".join(
        s if s.isprintable() or s == "\n" else "\N{REPLACEMENT CHARACTER}" for s in text.plain
    )
    with console.capture() as capture:
        console.print(text, soft_wrap=True, end="")
    return capture.get()


def animated(console: Console) -> bool:
    """Return whether to redraw in place: only for a person who looks on."""
    return console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
