"""The real MNIST, which a fresh machine has not.

Its tests run where HPSEARCH_DATA names the folder above mnist/.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

needs_mnist = pytest.mark.skipif(
    "HPSEARCH_DATA" not in os.environ or not (Path(os.environ["HPSEARCH_DATA"]) / "mnist").is_dir(),
    reason="no MNIST: set HPSEARCH_DATA to the folder above mnist/",
)
