"""What every page has to be."""

from __future__ import annotations

import re

EVIL = "<script>alert('1')</script>&\"https://x.org"
"""What a person may call a study, which must not become part of a page."""


def assert_self_contained(page: str) -> None:
    """Check that a page runs no script, asks nobody, and draws nothing at a place that is none."""
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)\s*=|url\(|@import", page)
    assert not re.search(r'(points|[xy12]+)="[^"]*(nan|inf)', page)
