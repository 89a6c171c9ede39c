"""What the docs say is what there is. HPSEARCH_REWRITE_GOLDEN=1 writes the generated pages anew."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.generate import PAGES
from hpsearch.cli import cli
from hpsearch.config.spec import networks_of, parse

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
_MOST_BYTES = 8_000  # of the README: a page that is read to its end
_COLUMNS = 100


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def outside_code(text: str) -> Iterator[tuple[int, str]]:
    """Give each line that is in no fenced block, after its number."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a page, made as GitHub makes them."""
    found: set[str] = set()
    for _, line in outside_code(read(path)):
        if match := re.match(r"#+ (.+)", line):
            text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", match[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")
            copies = [f"{slug}-{k}" for k in range(1, 100)]
            found.add(next(name for name in (slug, *copies) if name not in found))
    return found


def links(path: Path) -> Iterator[tuple[int, str]]:
    """Give the target of each link and picture of a page, after the number of its line."""
    for number, line in outside_code(read(path)):
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            yield number, target


class TestGeneratedPages:
    @pytest.mark.parametrize("name", PAGES)
    def test_a_page_says_what_the_code_says(self, name: str) -> None:
        path, text = ROOT / "docs" / name, PAGES[name]()
        if os.environ.get("HPSEARCH_REWRITE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert read(path) == text, "make docs"

    @pytest.mark.parametrize("name", PAGES)
    def test_a_page_says_by_which_command_it_was_written(self, name: str) -> None:
        assert "`python docs/generate.py`" in read(ROOT / "docs" / name).splitlines()[2]


class TestReadme:
    @pytest.mark.parametrize("name", sorted(cli.commands))
    def test_every_command_is_named(self, name: str) -> None:
        assert f"hpsearch {name}" in read(README)

    def test_it_is_short(self) -> None:
        assert README.stat().st_size <= _MOST_BYTES


def examples() -> Iterator[object]:
    for path in DOCS:
        for k, text in enumerate(re.findall(r"```yaml\n(.*?)```", read(path), re.DOTALL)):
            yield pytest.param(text, id=f"{named(path)}-{k}")


class TestExamples:
    @pytest.mark.parametrize("text", [*examples()])
    def test_a_yaml_example_is_accepted(self, text: str) -> None:
        is_whole = re.search("^(data|command|objective):", text, re.MULTILINE)
        whole = text if is_whole else f"data: {{source: digits}}\n{text}"
        parse(whole, "example.yaml", ROOT)

    def test_the_example_in_the_readme_has_a_condition(self) -> None:
        (text,) = re.findall(r"```yaml\n(.*?)```", read(README), re.DOTALL)
        spec = parse(text, "README.md", ROOT, strategy="bayes")
        assert spec.space.conditions == {"momentum": {"optimizer": ("momentum",)}}

    @pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
    def test_an_experiment_is_headed_by_its_command_and_what_it_gave(self, path: Path) -> None:
        text = read(path)
        parse(text, str(path), path.parent)
        head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
        assert re.match(rf"#   hpsearch \w+ experiments/{path.name}", head)
        assert "PENDING" not in head
        assert re.search(r"winner: trial \d", head)

    def test_the_built_in_example_has_default_settings(self) -> None:
        text = read(ROOT / "hpsearch" / "spaces" / "basic.yaml")
        assert networks_of(parse(text, "basic.yaml", ROOT)).default() is not None


class TestLinks:
    @pytest.mark.parametrize("path", [*DOCS, ROOT / "CHANGELOG.md"], ids=named)
    def test_every_relative_link_leads_somewhere(self, path: Path) -> None:
        broken = []
        for number, target in links(path):
            if re.match(r"[a-z]+:", target):
                continue
            place, _, anchor = target.partition("#")
            file = path.parent / unquote(place) if place else path
            if not file.exists() or (anchor and anchor not in anchors(file)):
                broken.append(f"{named(path)}:{number}: {target}")
        assert not broken, "\n".join(broken)


class TestErrors:
    def test_every_code_has_an_entry_and_every_entry_a_code(self) -> None:
        modules = (ROOT / "hpsearch").rglob("*.py")
        used = {code for path in modules for code in re.findall(r'"(E\d{3})"', read(path))}
        entries = re.findall(r"^### (E\d{3})$", read(ROOT / "docs" / "errors.md"), re.MULTILINE)
        assert len(entries) == len(set(entries))
        assert set(entries) == used


class TestProse:
    @pytest.mark.parametrize("path", DOCS, ids=named)
    def test_lines_are_short(self, path: Path) -> None:
        long = []
        for number, line in outside_code(read(path)):
            shown = re.sub(r"\]\([^)\s]+\)", "]", line)
            if len(shown) > _COLUMNS and not line.lstrip().startswith("|"):
                long.append(f"{named(path)}:{number}")
        assert not long, "\n".join(long)
