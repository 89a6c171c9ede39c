"""Studies that earlier versions have stored, and changes to their files.

Those of version 6 were made by commit 2ed286d in `/tmp/v6`, from the space of the board
`bayes-halving` (see `tests.helpers.boards`), by

    hpsearch bayes space.yaml --budget 9 --halving --confirm --epochs 9 --device cpu

`6-finished` ran to its end, and `6-interrupted` was killed when its first wave was complete.

`7-finished` was made by commit 87c4f5e in `/tmp/v7`, by

    hpsearch bayes space.yaml --budget 3 --device cpu

with this `space.yaml`:

    data: {source: wine}
    train: {epochs: 3, width: 4, depth: 1}
    parameters:
      lr: {min: 1e-3, max: 1e-1, log: true}

`8-finished` was made by commit fd1095b in `/tmp/v8`, by the same command with two folds:

    data: {source: wine, split: {folds: 2}}
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from hpsearch.study import migrations
from hpsearch.study.folder import FILE

STORED = Path(__file__).parent.parent / "golden" / "studies"


def stored(name: str, folder: Path) -> Path:
    """Put a copy of a stored study into a folder, which is made; return the folder."""
    folder.mkdir()
    shutil.copy(STORED / f"{name}.db", folder / FILE)
    return folder


def opened(folder: Path) -> sqlite3.Connection:
    """Return a connection to a study's file that commits each statement."""
    return sqlite3.connect(folder / FILE, isolation_level=None)


def change(folder: Path, statement: str, *values: object) -> None:
    """Change a file as if its version had written it so."""
    with closing(opened(folder)) as connection:
        connection.execute(statement, values)
        seal(connection)


def seal(connection: sqlite3.Connection) -> None:
    """Let the seal fit what stands in the file."""
    execute = connection.execute
    (version,) = execute("PRAGMA user_version").fetchone()
    digest = migrations.seal_of(migrations.rows_of(execute, migrations.LAYOUTS[version]))
    execute("UPDATE seal SET digest = ?", (digest,))
