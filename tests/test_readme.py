"""The README: its commands exist, its links lead somewhere, and it speaks of the present."""

import re
from pathlib import Path

import click
import pytest

from service.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> set[str]:
    """Every `credence …` in the README, without what stands for an argument."""
    found = re.findall(r"(?:\$ \.venv/bin/|`)credence ([a-z][a-z -]*)", README)
    return {words.split(" -")[0].strip() for words in found}


@pytest.mark.parametrize("words", sorted(commands() - {""}))
def test_every_command_of_the_readme_exists(words: str) -> None:
    command: click.Command = main
    for word in words.split():
        if isinstance(command, click.Group):
            below = command.get_command(click.Context(command), word)
            assert below is not None, f"credence {words}"
            command = below


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`?make (\w+)", README)) - {"and"}))
def test_every_make_target_of_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_of_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_two_commands_come_first() -> None:
    first = README.split("```")[1]
    assert [line for line in first.splitlines() if line.startswith("$")] == [
        "$ make serve",
        "$ make test",
    ]
