"""What a study is worth, for people and for programs.

Each sub-package has a `view` (records: what is shown, computed from a study), a `text` (how it
looks on a terminal) and, where there is one, a `page` (HTML). Nothing here writes to a study.
"""
