"""The versions of all that computes."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata

from hpsearch import __version__

_PACKAGES = ("torch", "numpy", "scipy", "scikit-optimize")


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of hpsearch, of Python, and of the packages that results rest on."""
    packages = {package: metadata.version(package) for package in _PACKAGES}
    return {"hpsearch": __version__, "python": platform.python_version(), **packages}
