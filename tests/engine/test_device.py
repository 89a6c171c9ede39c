"""How torch is set up in a process."""

from __future__ import annotations

import subprocess
import sys

TWICE = """
import torch
from hpsearch.engine.device import set_up

for threads in (1, 2):
    set_up(threads)
    assert (torch.get_num_threads(), torch.get_num_interop_threads()) == (threads, 1)
    torch.ones(300, 300) @ torch.ones(300, 300)
"""


def test_a_process_that_works_on_may_be_set_up_again() -> None:
    subprocess.run([sys.executable, "-c", TWICE], check=True)
