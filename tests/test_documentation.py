"""The pages of documentation: every link leads to a file and to a heading that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
TABLE, CODE, PICTURE = "|", "    ", "!["
LONGEST_LINE = 160
LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The fragment of every heading, written as GitHub writes it."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("name", PAGES)
def test_every_relative_link_leads_to_a_file_and_a_heading(name: str) -> None:
    page = ROOT / name
    for link in LINK.findall(prose(page)):
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if fragment:
            assert fragment in anchors(target), link


@pytest.mark.parametrize("name", PAGES)
def test_lines_of_prose_are_short_enough_to_compare(name: str) -> None:
    for line in prose(ROOT / name).splitlines():
        if not line.startswith((TABLE, CODE, PICTURE)) and "](" not in line:
            assert len(line) <= LONGEST_LINE, line


@pytest.mark.parametrize("name", PAGES)
def test_every_file_and_folder_of_the_code_that_a_page_names_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for path in re.findall(
        r"`((?:service|forecasting|questions|tests|benchmarks)/[\w./-]+)`", text
    ):
        assert (ROOT / path).exists(), path
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"`(test_\w+\.py)`", text)) <= tests


@pytest.mark.parametrize("name", PAGES)
def test_every_module_that_a_page_names_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for package, module in re.findall(
        r"`(forecasting|questions|service)\.(?!csv|toml)([a-z_]+)[\w.]*`", text
    ):
        place = ROOT / package / module
        assert place.is_dir() or place.with_suffix(".py").exists(), f"{package}.{module}"


def test_every_class_that_the_glossary_names_exists() -> None:
    named = re.findall(
        r"`(?:\w+\.)*([A-Z]\w*[a-z]\w*)(?:\.\w+\(\))?`", prose(ROOT / "docs/glossary.md")
    )
    code = "".join(
        path.read_text(encoding="utf-8")
        for package in ("forecasting", "questions", "service")
        for path in (ROOT / package).rglob("*.py")
    )
    assert set(named) - set(re.findall(r"^class (\w+)", code, re.MULTILINE)) == set()
