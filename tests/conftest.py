"""The tally of faults, as a fixture to count with and as a table at the end."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.helpers.tally import TALLIES, Tallies

pytest.register_assert_rewrite("hpsearch.testing")  # its checks fail as those in here do


@pytest.fixture(scope="session")
def tally() -> Tallies:
    """Return the counts of faults, to be used as in `tally("kill -9").tried += 1`."""
    return TALLIES


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a test that is a fault by itself."""
    report = yield
    group = item.get_closest_marker("group")
    if group and report.when == "call":
        TALLIES(*group.args).tried += 1
        TALLIES(*group.args).survived += report.passed
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of the faults that were tried, where these are what is tested."""
    if (lines := TALLIES.lines()) and "not faults" not in config.option.markexpr:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)
