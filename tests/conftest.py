"""The tally of faults: a fixture to count with, and the table at the end."""

from __future__ import annotations

import pytest

from tests.tally import TALLIES, Tallies


@pytest.fixture(scope="session")
def tally() -> Tallies:
    """`tally("kill -9").tried += 1`"""
    return TALLIES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of the faults that were tried."""
    if lines := TALLIES.lines():
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)
