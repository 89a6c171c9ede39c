"""Draw `terminal.svg`: what a terminal shows at the end of `hpsearch bayes --budget 50`.

The search really runs, in a pseudo-terminal and a temporary folder, for about a minute:

    python docs/pictures/terminal.py
"""

from __future__ import annotations

import os
import pty
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COMMAND = ("bayes", "--budget", "50")
COLUMNS = 100
PICTURE = Path(__file__).with_suffix(".svg")

_CELL, _LINE = 8.4, 19.0  # pixels: the width of a character, the height of a line
_SIDE, _TOP, _BOTTOM = 24.0, 58.0, 18.0  # pixels around the text
_FONTS = "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_INK, _PAPER = (203, 213, 225), (15, 23, 42)
_COLORS = [
    (51, 65, 85),
    (248, 113, 113),
    (74, 222, 128),
    (251, 191, 36),
    (96, 165, 250),
    (192, 132, 252),
    (45, 212, 191),
    (226, 232, 240),
]
_THEME = TerminalTheme(_PAPER, _INK, _COLORS, _COLORS)
_LAST_CLEARED = "\x1b[2K"  # the live view clears its lines before the leaderboard is printed


def captured() -> str:
    """Return what the command leaves on a terminal of `COLUMNS` columns, escape sequences included.

    Raises:
        SystemExit: the command failed.
    """
    chunks: list[bytes] = []

    def read(descriptor: int) -> bytes:
        chunks.append(os.read(descriptor, 65_536))
        return chunks[-1]

    os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        status = pty.spawn([sys.executable, "-m", "hpsearch", *COMMAND], read)
    if status:
        raise SystemExit(f"the command ended with status {status}")
    screen = b"".join(chunks).decode().replace("\r\n", "\n")
    return screen.rpartition(_LAST_CLEARED)[2].rstrip("\n")


def drawn(screen: str) -> str:
    """Return an SVG of the prompt, the command and the screen below it."""
    prompt = Text.assemble(("$ ", "dim"), (" ".join(("hpsearch", *COMMAND)), "bold"))
    console = Console(width=COLUMNS, color_system="truecolor", force_terminal=True)
    text = Text("\n").join([prompt, Text(), Text.from_ansi(screen)])
    lines = console.render_lines(text, pad=False)
    width = COLUMNS * _CELL + 2 * _SIDE
    height = len(lines) * _LINE + _TOP + _BOTTOM
    spans: list[str] = []
    for row, segments in enumerate(lines):
        column = 0
        for part, style, _ in segments:
            if part.strip():
                spans.append(_span(part, style or Style(), column, row))
            column += len(part)
    return "\n".join(_picture(width, height, spans)) + "\n"


def _picture(width: float, height: float, spans: list[str]) -> Iterator[str]:
    box = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    yield f"<title>A terminal after: hpsearch {escape(' '.join(COMMAND))}</title>"
    yield f'<rect width="{width:g}" height="{height:g}" rx="10" fill="{_hex(_PAPER)}"/>'
    for position, color in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        yield f'<circle cx="{26 + 20 * position}" cy="24" r="6" fill="{color}"/>'
    yield f'<g font-family="{_FONTS}" font-size="14" xml:space="preserve">'
    yield from spans
    yield "</g>\n</svg>"


def _span(part: str, style: Style, column: int, row: int) -> str:
    """Return a run of characters of one style, stretched to the cells of the terminal."""
    body = part.lstrip(" ")
    column += len(part) - len(body)
    body = body.rstrip(" ")
    x, y = _SIDE + column * _CELL, _TOP + row * _LINE
    weight = ' font-weight="bold"' if style.bold else ""
    faded = ' opacity="0.55"' if style.dim else ""
    place = f'x="{x:.1f}" y="{y:.1f}" textLength="{len(body) * _CELL:.1f}"'
    text = escape(body, quote=False)
    return f'<text {place} fill="{_ink(style.color)}"{weight}{faded}>{text}</text>'


def _ink(color: Color | None) -> str:
    return _hex(_INK) if color is None else _hex(tuple(color.get_truecolor(_THEME)))


def _hex(color: tuple[int, ...]) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)


if __name__ == "__main__":
    PICTURE.write_text(drawn(captured()), encoding="utf-8")
