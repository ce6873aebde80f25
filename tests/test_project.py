"""The licence and metadata of the wheel, and the files that documents and targets name."""

import email.parser
import re
import subprocess
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from hatchling import build
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return folder / build.build_wheel(str(folder))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.parser.Parser().parsestr(archive.read(name).decode())


def test_the_wheel_carries_the_licence(wheel: Path, metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/licenses/LICENSE"))
        assert archive.read(name) == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_says_who_made_it_and_where_it_lives(metadata: Message) -> None:
    assert metadata["Author"]
    assert metadata["Keywords"]
    links = dict(link.split(", ") for link in metadata.get_all("Project-URL", []))
    assert {"Repository", "Issues", "Changelog", "Documentation"} <= set(links)
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


@pytest.mark.parametrize("package", ["service", "forecasting", "questions"])
def test_the_wheel_ships_type_information(wheel: Path, package: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert f"{package}/py.typed" in archive.namelist()


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    declared = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert declared is not None
    targets = set(declared[1].replace("\\", " ").split())
    rules = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    described = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert set(described) == targets == rules


def test_make_alone_serves() -> None:
    planned = subprocess.run(
        ["make", "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "credence serve" in planned


def pages_of_the_site() -> list[str]:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    return re.findall(r"([\w/.-]+\.md)$", navigation, re.MULTILINE)


def test_the_navigation_of_the_site_has_every_page_once() -> None:
    folder = ROOT / "docs"
    written = [page.relative_to(folder).as_posix() for page in folder.rglob("*.md")]
    assert sorted(pages_of_the_site()) == sorted(written)


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_files_that_a_document_names_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if ":" not in link]
    assert links
    for link in links:
        assert ((ROOT / document).parent / link).exists(), link


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md", "docs/README.md"])
def test_targets_that_a_document_names_exist(document: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_folders_that_contributing_names_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:tests|docs|migrations)(?:/[\w./]+)?)`", text):
        assert (ROOT / name).exists(), name


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = re.escape(project["version"])
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.search(rf"^## \[{version}\] - (\S+)$", changelog, re.MULTILINE)
    assert released is not None
    assert re.search(rf"^version: {version}$", citation, re.MULTILINE)
    assert f'date-released: "{released[1]}"' in citation
    assert f"license: {project['license']}" in citation


def test_every_release_of_the_changelog_links_to_its_changes() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^]]+)\]", changelog, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.findall(r"^\[([^]]+)\]: https://", changelog, re.MULTILINE) == headings


def test_the_forge_tests_every_python_that_the_project_supports(metadata: Message) -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    matrix = re.search(r"^ +python: \[(.+)\]$", workflow, re.MULTILINE)
    assert matrix is not None
    stated = [
        classifier.rsplit(" ", 1)[1]
        for classifier in metadata.get_all("Classifier", [])
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", classifier)
    ]
    assert re.findall(r'"([\d.]+)"', matrix[1]) == stated
    supported = SpecifierSet(metadata["Requires-Python"])
    minors = [f"3.{minor}" for minor in range(30) if supported.contains(f"3.{minor}.0")]
    assert minors == stated


def test_the_forge_runs_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    commands = re.findall(r"run: make (.+)$", workflow, re.MULTILINE)
    assert commands
    for word in " ".join(commands).split():
        if re.fullmatch(r"[a-z-]+", word):
            assert re.search(rf"^{word}:", makefile, re.MULTILINE), word


def test_the_architecture_page_shows_the_import_order_that_is_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    order = next(contract for contract in contracts if contract["type"] == "layers")
    packages = [name for layer in order["layers"] for name in layer.split(" | ")]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    diagram = page.split("```mermaid\n")[1].split("```")[0]
    drawn = [name for name in re.findall(r"\w+", diagram) if name in packages]
    assert list(dict.fromkeys(drawn)) == packages
    described = set(re.findall(r"`(\w+)`", page))
    assert set(packages) <= described


def test_code_that_the_architecture_page_names_exists() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:service|tests|migrations|forecasting)[/.][\w/.]+)`", page):
        path = ROOT / name.replace("forecasting.", "forecasting/")
        assert path.exists() or path.with_suffix(".py").exists(), name
