"""Tests of runners."""

import pytest

pytest.register_assert_rewrite("hpsearch.testing")
