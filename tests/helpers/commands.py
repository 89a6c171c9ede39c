"""The command line in a process of its own, started as a person would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TIMEOUT = 300  # seconds that nothing here takes
AS_MODULE = (sys.executable, "-m", "hpsearch")


def script(folder: Path, text: str, name: str = "command.py") -> tuple[str, str]:
    """Write a script of a person's; return how it is run."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return sys.executable, str(folder / name)


def as_script(folder: Path) -> tuple[str, str]:
    """Return how the command is run that an installation puts into its folder of programs."""
    return script(folder, "from hpsearch.cli import main\nif __name__ == '__main__':\n    main()\n")


def ended(
    working: Path | str, *command: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in a working directory."""
    return subprocess.run(
        command,
        cwd=working,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def loaded(*arguments: str) -> set[str]:
    """Return the modules beyond the standard library that a run of the command line loads."""
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom hpsearch.cli import main\n"
        f"sys.argv = ['hpsearch', *{list(arguments)!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "new = {n if n.startswith('hpsearch') else n.split('.')[0]\n"
        "       for n in set(sys.modules) - before}\n"
        "print('LOADED', *sorted(new - set(sys.stdlib_module_names)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])
