"""The tally of faults, as a fixture to count with and as a table at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.helpers.tally import TALLIES, Tallies

for size in ("COLUMNS", "LINES"):  # readline sets them where tests run in several processes
    os.environ.pop(size, None)
pytest.register_assert_rewrite("hpsearch.testing")  # its checks fail as those in here do


@pytest.fixture(scope="session")
def tally() -> Tallies:
    """Return the counts of faults, to be used as in `tally("kill -9").tried += 1`."""
    return TALLIES


@pytest.fixture(autouse=True)
def _whole_floats() -> Iterator[None]:
    """Undo, for the next test, that a training in this process rounds tiny numbers to 0."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell what this process has counted, where it is one of several that test."""
    if (said := getattr(session.config, "workeroutput", None)) is not None:
        said["tallies"] = TALLIES.counts()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a process of tests has counted."""
    TALLIES.add(getattr(node, "workeroutput", {}).get("tallies", {}))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of the faults that were tried, where these are what is tested."""
    if (lines := TALLIES.lines()) and "not faults" not in config.option.markexpr:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)
