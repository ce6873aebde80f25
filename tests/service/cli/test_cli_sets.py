"""The command's work on set files: lint, draft, schema; and the backtest of a folder."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from questions import confined
from questions.confined import Limits
from questions.load import read_set
from service.cli import main
from service.settings import SHIPPED_SETS

BRIEF = SHIPPED_SETS / "power-systems" / "brief.md"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def credence(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_the_shipped_sets_pass_the_lint_and_what_is_waived_is_counted() -> None:
    done = credence("questions", "lint", SHIPPED_SETS)
    assert done.exit_code == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("0 errors, 0 warnings, 0 waived")


def test_a_draft_loads_and_the_lint_says_what_it_lacks() -> None:
    done = credence("questions", "draft", BRIEF, "-o", "power.toml")
    assert done.exit_code == 0, done.stderr
    drafted = read_set(Path("power.toml"))
    assert drafted.slug == "power"
    assert all(question.draft for question in drafted.questions)
    lint = credence("questions", "lint", "power.toml", "--document", BRIEF, "--format", "json")
    assert lint.exit_code == 1
    assert {"Q01"} <= {finding["rule"] for finding in json.loads(lint.stdout)}
    github = credence("questions", "lint", "power.toml", "--format", "github")
    assert github.stdout.startswith("::")


def test_a_draft_overwrites_nothing_and_a_bad_document_leaves_nothing() -> None:
    Path("kept.toml").write_text("mine")
    again = credence("questions", "draft", BRIEF, "-o", "kept.toml")
    assert (again.exit_code, Path("kept.toml").read_text()) == (1, "mine")
    assert "does not overwrite" in again.stderr
    Path("past.txt").write_text("It rained yesterday.")
    for document in ("past.txt", "missing.txt"):
        done = credence("questions", "draft", document, "-o", "new.toml")
        assert done.exit_code == 1
        assert done.stderr.startswith("credence: ")
        assert done.stderr.count("\n") == 1
    assert not Path("new.toml").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("draft", "report.txt", "-o", "new.toml"),
        ("lint", SHIPPED_SETS / "power-systems", "--document", "report.txt"),
    ],
    ids=["draft", "lint"],
)
def test_a_document_that_takes_much_to_read_costs_the_command_a_sentence(
    arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("report.txt").write_text("It may rain in 2030. " * 100_000)
    monkeypatch.setattr(confined, "LIMITS", Limits(memory_bytes=20_000_000))
    done = credence("questions", *arguments)
    assert done.exit_code == 1
    assert done.stderr == "credence: report.txt: takes too much memory; allowed: 20 MB.\n"
    assert not Path("new.toml").exists()


def test_a_language_model_without_a_name_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CREDENCE_LLM_BASE_URL", "http://127.0.0.1:9/v1")
    done = credence("questions", "draft", BRIEF)
    assert done.exit_code == 1
    assert done.stderr.startswith("credence: the language model of CREDENCE_LLM_")


def test_the_schema_for_editors_is_printed() -> None:
    done = credence("questions", "schema")
    assert "QuestionSet" in json.loads(done.stdout)["$defs"]


def test_a_backtest_needs_something_that_resolved() -> None:
    Path("forecasts.csv").write_text("forecaster_id,question_id,time,probability\nann,q,,0.4\n")
    Path("questions.csv").write_text(
        "question_id,title,outcome,open_time,close_time,resolve_time,domain\nq,Will it?,,,,,\n"
    )
    done = credence("backtest", ".", "-o", "table.csv")
    assert done.exit_code == 1
    assert "at least 2 resolved questions" in done.stderr
    assert not Path("table.csv").exists()


def test_a_plot_that_could_not_be_drawn_is_refused_before_the_backtest() -> None:
    done = credence("backtest", ".", "--plot", "table.jpg")
    assert done.exit_code == 1
    assert done.stderr == "credence: table.jpg: a plot ends in .svg or .png\n"
