"""Where results and progress go: stdout and stderr, with or without colour."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterable
from typing import TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from hpsearch import output
from hpsearch.text import lines, one_line

_ENDLESS = 100_000  # columns: a table in a file is not cut


class PlainConsole(Console):
    """A console on which texts are signs: none of them is markup, and no terminal obeys them."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield what is printed, with every sign visible that is not the console's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=lines(segment.text))


def result(no_color: bool = False) -> Console:
    """Return the console for results, which `emit` writes to stdout."""
    return _console(io.StringIO(), sys.stdout, no_color)


def progress(no_color: bool = False) -> Console:
    """Return the console for progress, warnings and hints, on stderr."""
    stream = cast(TextIO, output.Progress(sys.stderr))
    return _console(stream, stream, no_color)


def note(*texts: str, no_color: bool = False) -> None:
    """Print each text on a line of its own, on stderr."""
    console = progress(no_color)
    for text in texts:
        console.print(one_line(text), soft_wrap=True)


def _console(file: TextIO, stream: TextIO, no_color: bool) -> Console:
    """Return a console that writes to a file what is meant for a stream."""
    width = height = None
    if not stream.isatty() or {"COLUMNS", "LINES"} & {*os.environ}:
        # rich would take any COLUMNS, also 0; and a table in a file is not cut
        width, height = shutil.get_terminal_size((_ENDLESS, 25))
        width = min(width, _ENDLESS)
    # rich obeys NO_COLOR, FORCE_COLOR and TERM=dumb by itself
    return PlainConsole(
        file=file,
        force_terminal=stream.isatty() or None,
        no_color=no_color or None,
        width=width,
        height=height,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


def emit(text: Text, console: Console) -> None:
    """Write a result to stdout as the console would print it.

    Raises:
        OutputLost: it cannot be written.
    """
    assert isinstance(console.file, io.StringIO), "a console for results"
    if console.color_system is None:  # a text without styles, which takes rich long if it is long
        output.write(lines(text.plain))
        return
    console.print(text, soft_wrap=True, end="")
    output.write(console.file.getvalue())


def animated(console: Console) -> bool:
    """Return whether to redraw in place: only for a person who looks on."""
    return console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
