"""Tests of the contract suites, over the components that are registered."""

import pytest

pytest.register_assert_rewrite("hpsearch.testing")
