"""A diagnosis as a page."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

from hpsearch.report.diagnosis.page import as_page
from tests.report.diagnosis.invented import invented
from tests.report.render.pages import EVIL, assert_self_contained


def test_the_page_needs_no_network_and_escapes_what_a_person_wrote() -> None:
    page = as_page(EVIL, [replace(invented(nan, 0.0, inf, 1e-3, loss=nan), name=EVIL)])
    assert_self_contained(page)
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&#34;" in page
