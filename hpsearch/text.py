"""Text that acts on nothing: on a line, in a cell of a spreadsheet, in any encoding.

All that is printed or written for people goes through here and through `hpsearch.output`. A text
may come from a file or a study that somebody else has made.
"""

from __future__ import annotations

import codecs
import unicodedata

ERRORS = "hpsearch"
"""The name under which codecs know what stands for a sign that an encoding does not have."""

_FORMULA = ("=", "+", "-", "@")
_ASCII = {
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
    **dict.fromkeys("─━╸╺", "-"),
    **dict.fromkeys("│┤", "|"),
    **{"└": "+", "●": "o", "·": ".", "±": "+-", "…": "...", "\N{REPLACEMENT CHARACTER}": "?"},
}
_BRAILLE = range(0x2800, 0x2900)
_UPPER_DOTS = 0x01 | 0x02 | 0x08 | 0x10  # of a sign of braille: the upper two of its four rows


def one_line(text: str) -> str:
    """Return a text with every sign visible, so that it is one line and no terminal obeys it.

    >>> print(one_line("a\\nb\\x1b[31m"))
    a\\nb\\x1b[31m
    """
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def lines(text: str) -> str:
    """Return a text of several lines, with every other sign visible."""
    return "\n".join(map(one_line, text.split("\n")))


def spreadsheet_cell(text: str) -> str:
    """Return a text as one line that no spreadsheet takes for a formula.

    >>> spreadsheet_cell(" =1+1"), spreadsheet_cell("adam")
    ("' =1+1", 'adam')
    """
    line = one_line(text)
    # signs of full width are formulas as well, where they are usual
    begins = unicodedata.normalize("NFKC", line).lstrip()
    return "'" + line if begins.startswith(_FORMULA) else line


def markdown(text: str) -> str:
    """Return a text as one line of Markdown in which no sign has a meaning."""
    return "".join("\\" + sign if sign in "\\`*[]<&|" else sign for sign in one_line(text))


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def _in_ascii(sign: str) -> str:
    """Return what stands for a sign: its likeness where it is part of a picture, else its code."""
    if ord(sign) in _BRAILLE:
        dots = ord(sign) - _BRAILLE.start
        upper, lower = dots & _UPPER_DOTS, dots & ~_UPPER_DOTS
        return ":" if upper and lower else "'" if upper else "." if lower else " "
    return _ASCII.get(sign) or _escaped(sign)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    return "".join(map(_in_ascii, unknown)), error.end


codecs.register_error(ERRORS, _replaced)
