"""The templates of all pages."""

from __future__ import annotations

import pytest

from hpsearch.report.render import html

TEMPLATES = ["trial/page.html", "surrogate/page.html", "diagnosis/page.html"]


def test_templates_are_found_in_sub_folders() -> None:
    found = html._TEMPLATES.list_templates(extensions=["html"])
    assert found == sorted([*TEMPLATES, "render/base.html", "render/chart.html"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_page_extends_the_base(name: str) -> None:
    assert html._TEMPLATES.loader is not None
    source, *_ = html._TEMPLATES.loader.get_source(html._TEMPLATES, name)
    assert source.startswith('{% extends "render/base.html" %}')
