"""HTML pages: each is one file without a script, and all that a person wrote is escaped."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hpsearch.text import lines

_TEMPLATES = Environment(
    loader=PackageLoader("hpsearch.report", "."),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=lambda value: lines(value) if type(value) is str else value,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, **parts: Any) -> str:
    """Return a page: a template, such as "trial/page.html", with its parts filled in.

    Names of templates are relative to this package; each extends "render/base.html".
    """
    return _TEMPLATES.get_template(template).render(**parts)
