"""`python -m hpsearch` is the `hpsearch` command."""

import sys

if (
    __name__ == "__main__"  # Python has put the working directory first
    and not sys.flags.safe_path
    and __file__ != f"{sys.path[0]}/hpsearch/__main__.py"
):
    del sys.path[0]

from hpsearch.cli import main

if __name__ == "__main__":
    main()
