"""HTML pages: self-contained, without a script, and all that a person wrote escaped."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_TEMPLATES = Environment(
    loader=PackageLoader("hpsearch.report", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, **parts: Any) -> str:
    """A template that extends base.html, filled in."""
    return _TEMPLATES.get_template(template).render(**parts)
