"""What a surrogate has learned, as a page."""

from __future__ import annotations

from hpsearch.report.surrogate.page import as_page
from hpsearch.space.parameters import Choice, Real
from hpsearch.space.space import Space
from tests.helpers.histories import MIXED
from tests.report.render.pages import EVIL, assert_self_contained
from tests.report.surrogate.views import view


def test_a_search_has_a_chart_for_each_parameter_and_needs_no_network() -> None:
    page = as_page(view(MIXED, 40))
    assert_self_contained(page)
    assert page.count("<section>") == len(MIXED.parameters)
    assert page.count("<circle") >= 40 * (len(MIXED.parameters) - 1)
    assert "How far the model can be trusted" in page


def test_what_a_person_wrote_is_escaped() -> None:
    space = Space({"x": Real(0.0, 1.0), EVIL: Choice((EVIL, "b"))})
    page = as_page(view(space, 12, EVIL))
    assert_self_contained(page.replace("https://x.org", ""))
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&#34;" in page
