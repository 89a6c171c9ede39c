"""Text that acts on nothing: on a line, in a cell of a spreadsheet, in any encoding.

All that is printed or written for people goes through here and through `hpsearch.output`. A text
may come from a file or a study that somebody else has made.
"""

from __future__ import annotations

import codecs
import shlex
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
    r"""Return a text with every sign visible, so that it is one line and no terminal obeys it.

    >>> print(one_line("a\nb\x1b[31m"))
    a\nb\x1b[31m
    """
    if text.isprintable():  # as most are
        return text
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def lines(text: str) -> str:
    """Return a text of several lines, with every other sign visible."""
    if text.replace("\n", "").isprintable():  # as most are
        return text
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


def shell_word(text: str) -> str:
    r"""Return a text as a word that a shell reads back; where signs are escaped, as Bash writes it.

    >>> print(shell_word("runs/mine"), shell_word("a b"), shell_word("a\nb"))
    runs/mine 'a b' $'a\nb'
    """
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_in_bash, text)) + "'"


def _in_bash(sign: str) -> str:
    if sign in "\\'":
        return "\\" + sign
    if "\udc80" <= sign <= "\udcff":  # a byte of a name that is no UTF-8
        return f"\\x{ord(sign) - 0xDC00:02x}"
    if "\x80" <= sign <= "\xff" and not sign.isprintable():  # \x9b would be a byte there
        return f"\\u{ord(sign):04x}"
    return one_line(sign)


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
