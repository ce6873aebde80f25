"""The `credence` command: what it prints, where, and how it refuses."""

import csv
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from service.audit import audit_log
from service.cli import COMMANDS, main
from service.cli.group import echo
from service.database.engine import Database
from service.models import Account, Forecast, Question, QuestionRevision, Score

HEAD = """
version = 1
slug = "weather"
title = "Weather"
description = "What the sky will do."
defaults = "None."
document = {title = "Almanac", origin = "our own"}
implications = [{slug = "wet", section = "1", paraphrase = "Rain.", hedge = "may", actors = []}]
"""
QUESTION = """
[[questions]]
slug = "%s"
implication = "wet"
polarity = "supports"
why = "Rain is wet."
kind = "binary"
title = "Will it rain?"
background = "It did."
background_as_of = 2026-11-01
criteria = "Yes if it does."
fine_print = "None."
domain = "sky"
window_starts_at = 2026-11-01T00:00:00Z
deadline_at = 2027-11-01T00:00:00Z
opens_at = 2026-11-01T00:00:00Z
closes_at = 2027-11-01T00:00:00Z
resolves_by = 2027-12-01T00:00:00Z
"""
FORECASTS = """forecaster_id,question_id,time,probability
ann,snow,,0.9
ann,rain,,0.2
bob,rain,,0.4
ann,rain,,0.3
"""
QUESTIONS = """question_id,title,outcome,open_time,close_time,resolve_time,domain
snow,"Snow, or sleet?",,,,,sky
rain,Rain?,,,,,sky
hail,Hail?,,,,,
"""
COLUMNS = ["question_id", "probability", "lower", "upper", "forecasters", "method"]


def plain_environment(**more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CREDENCE_")}
    return kept | more


@pytest.fixture
def credence(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run the command in this process, in an empty folder, on a migrated database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDENCE_DATABASE_URL", database_url)
    return lambda *arguments: CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def fails(credence) -> Callable[..., None]:
    """Check that a command fails with one sentence on standard error that holds some words."""

    def check(*arguments: Any, words: str, code: int = 1) -> None:
        done = credence(*arguments)
        assert (done.exit_code, done.stdout) == (code, "")
        assert done.stderr.startswith("credence: ")
        assert done.stderr.count("\n") == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr

    return check


@pytest.fixture
def count(on_database) -> Callable[[Any], int]:
    """How many rows a table has."""

    def of(table: Any) -> int:
        async def counted(database: Database) -> int:
            async with database.read() as session:
                return int(await session.scalar(select(func.count()).select_from(table)) or 0)

        return int(on_database(counted))

    return of


def folder(path: Path, forecasts: str = FORECASTS, questions: str = QUESTIONS) -> Path:
    path.mkdir(exist_ok=True)
    (path / "forecasts.csv").write_text(forecasts)
    (path / "questions.csv").write_text(questions)
    return path


@pytest.mark.slow
def test_a_fresh_machine_needs_two_commands_and_each_token_is_printed_once(tmp_path: Path) -> None:
    def credence(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            cwd=tmp_path,
            env=plain_environment(PYTHONPATH=str(Path(__file__).parents[3])),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    code, _, said = credence("account", "create", "ann", "--role", "viewer")
    assert (code, said) == (1, "credence: there is no database credence.db; run `credence init`\n")
    assert list(tmp_path.iterdir()) == []
    code, token, said = credence("init", "--token")
    assert (code, said) == (0, "")
    assert token.startswith("crd_")
    assert token.count("\n") == 1
    assert (tmp_path / "credence.db").exists()
    code, again, said = credence("init", "--token")
    assert (code, again, said) == (0, "", "the administrator already has a credential\n")


def test_init_says_what_it_loaded_and_is_safe_to_repeat(credence, count) -> None:
    first, second = credence("init"), credence("init")
    assert (first.stderr, second.stderr) == ("", "")
    assert "set russia-iran: 36 questions created, 0 revised, 0 unchanged" in first.stdout
    assert "`credence serve` prints the link to sign in" in first.stdout.splitlines()[-1]
    assert "set russia-iran: 0 questions created, 0 revised, 36 unchanged" in second.stdout
    assert "crd_" not in first.stdout + second.stdout
    assert credence("init", "--token").stdout.startswith("crd_")
    assert credence("init", "--token").stdout == ""
    assert count(Account) == 1
    assert count(Question) == count(QuestionRevision) > 36


def test_a_service_of_ones_own_starts_without_the_shipped_sets(credence, count) -> None:
    done = credence("init", "--without-sets")
    assert done.stdout.startswith("created the account `administrator`")
    assert (count(Account), count(Question)) == (1, 0)


def test_a_port_in_use_is_named_in_one_sentence(fails) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        fails("serve", "--port", port, "--no-worker", words=f"port {port}: Address already in use")


def test_an_account_is_made_with_a_token_that_opens_until_it_is_revoked(
    credence, client, on_database
) -> None:
    def sets(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return int(client.get("/api/v1/sets", headers=headers).status_code)

    told = credence("account", "create", "ann lee", "--role", "curator")
    assert "created the curator 'ann lee'" in told.stdout
    bare = credence("account", "create", "robot", "--role", "forecaster", "--bot", "--token")
    assert (bare.stdout.count("\n"), bare.stderr) == (1, "")
    tokens = [told.stdout.splitlines()[-1], bare.stdout.strip()]
    assert [sets(token) for token in tokens] == [200, 200]

    async def roles(database: Database) -> list[Any]:
        async with database.read() as session:
            rows = await session.execute(
                select(Account.name, Account.role, Account.bot).order_by(Account.id)
            )
            return [tuple(row) for row in rows]

    assert on_database(roles) == [("ann lee", "curator", False), ("robot", "forecaster", True)]
    done = credence("account", "revoke", "robot")
    assert done.stdout == "ended 1 tokens and 0 sessions of 'robot'\n"
    assert [sets(token) for token in tokens] == [200, 401]


def test_accounts_are_listed_shut_and_opened_again(credence, fails, on_database) -> None:
    credence("account", "create", "root", "--role", "administrator")
    credence("account", "create", "ann", "--role", "curator")
    credence("account", "create", "robot", "--role", "viewer", "--bot")

    def names(*options: str) -> list[str]:
        return [
            line.split()[4] for line in credence("account", "list", *options).stdout.splitlines()
        ]

    assert names() == ["root", "ann", "robot"]
    assert names("--role", "curator") == ["ann"]
    assert credence("account", "deactivate", "ann").stdout == "'ann' is deactivated\n"
    assert credence("account", "list", "--deactivated").stdout.split()[1:3] == ["curator", "person"]
    assert credence("account", "activate", "ann").stdout == "'ann' is active\n"
    assert names("--deactivated") == []
    credence("account", "revoke", "ann")
    fails("account", "deactivate", "root", words="the last active administrator")
    fails("account", "deactivate", "nobody", words="there is no account named 'nobody'")
    fails("account", "activate", "nobody", words="there is no account named 'nobody'")

    async def log(database: Database) -> list[tuple[str, str | None]]:
        async with database.read() as session:
            entries = await audit_log.listing(session, limit=100)
            return [(entry.action, entry.by) for entry in reversed(entries)]

    assert on_database(log) == [
        *[("account.created", None)] * 3,
        ("account.deactivated", None),
        ("account.reactivated", None),
        ("account.shut", None),
    ]


def test_an_invitation_lets_an_account_set_its_password_or_a_new_one_be_made(
    credence, client, fails
) -> None:
    def redeem(path: str, **body: Any) -> int:
        sent = body | {"password": "a long enough one"}
        return int(client.post(f"/api/v1/{path}", json=sent).status_code)

    credence("account", "create", "ann", "--role", "curator")
    mine = credence("account", "invite", "--for", "ann").stdout.strip()
    assert redeem("renewals", invitation=mine) == 201
    assert redeem("renewals", invitation=mine) == 422, "an invitation works once"
    ours = credence("account", "invite", "--role", "forecaster", "--uses", "2").stdout.strip()
    made = [redeem("registrations", name=name, invitation=ours) for name in ("bob", "eve", "joe")]
    assert made == [201, 201, 422]
    assert ours.startswith("http://127.0.0.1:8000/join?invitation=cri_")
    fails("account", "invite", "--for", "nobody", words="there is no account named 'nobody'")
    fails("account", "invite", words="either --for NAME or --role ROLE", code=2)
    fails("account", "invite", "--role", "viewer", "--uses", "0", words="uses must be from 1")


def test_a_printed_invitation_begins_with_the_address_that_is_set(credence, monkeypatch) -> None:
    local = credence("account", "invite", "--role", "viewer")
    assert "CREDENCE_BASE_URL" in local.stderr
    monkeypatch.setenv("CREDENCE_BASE_URL", "https://forecasts.example.org/")
    public = credence("account", "invite", "--role", "viewer")
    assert public.stdout.startswith("https://forecasts.example.org/join?invitation=cri_")
    assert (public.stdout.count("\n"), public.stderr) == (1, "")


def test_a_wrong_account_is_refused_in_one_sentence(credence, fails, count) -> None:
    create = ("account", "create")
    credence(*create, "ann", "--role", "viewer")
    fails(*create, "ann", "--role", "curator", words="already an account named 'ann'")
    fails(*create, "bob", "--role", "king", words="'forecaster', 'curator'", code=2)
    fails(*create, "bob", words="Missing option '--role'", code=2)
    fails(*create, "b/b", "--role", "viewer", words="must not hold a slash")
    fails(*create, "b" * 101, "--role", "viewer", words="name must be at most 100 characters")
    fails(*create, "", "--role", "viewer", words="name must not be blank")
    fails("account", "revoke", "nobody", words="there is no account named 'nobody'")
    assert count(Account) == 1


def test_wrong_settings_and_a_wrong_schema_are_refused_in_one_sentence(
    fails, monkeypatch, postgresql, tmp_path: Path
) -> None:
    ann = ("account", "create", "ann", "--role", "viewer")
    empty = postgresql.url()
    for name, value, words in (
        ("CREDENCE_COLOUR", "red", "unknown setting: CREDENCE_COLOUR"),
        ("CREDENCE_INTERVAL_LEVEL", "7", "CREDENCE_INTERVAL_LEVEL is 7"),
        ("CREDENCE_DATABASE_URL", "oracle://host/name", "CREDENCE_DATABASE_URL names 'oracle'"),
        ("CREDENCE_DATABASE_URL", f"sqlite:///{tmp_path}", "unable to open database file"),
        ("CREDENCE_DATABASE_URL", empty, "has `credence init` run?"),
    ):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            fails(*ann, words=words)
    with monkeypatch.context() as changed:
        changed.setenv("CREDENCE_DATABASE_URL", empty)
        fails("serve", words="another schema version; run `credence init`")


def test_a_set_is_loaded_once_and_a_bad_file_loads_nothing(
    credence, fails, count, tmp_path: Path
) -> None:
    file = tmp_path / "weather.toml"
    file.write_text(HEAD + QUESTION % "rain")
    done = credence("questions", "load", file)
    assert done.stderr == ""
    assert done.stdout == "set weather: 1 questions created, 0 revised, 0 unchanged\n"
    done = credence("questions", "load", file)
    assert done.stdout == "set weather: 0 questions created, 0 revised, 1 unchanged\n"
    bad = QUESTION.replace("binary", "numeric") % "snow"
    file.write_text(HEAD + QUESTION % "hail" + bad)
    fails("questions", "load", file, words='questions[1].kind (question "snow") is "numeric"')
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "a.toml").write_text(HEAD.replace("weather", "a") + QUESTION % "hail")
    (folder / "b.toml").write_text("version = 1")
    fails("questions", "load", folder, words="b.toml")
    fails("questions", "load", tmp_path / "nowhere", words="nowhere")
    assert count(Question) == 1


def test_what_is_imported_can_be_exported_and_a_bad_folder_stores_nothing(
    credence, fails, count, tmp_path: Path
) -> None:
    survey = folder(tmp_path / "My Survey")
    done = credence("import", survey)
    assert done.stdout == (
        "set my-survey: 3 questions (0 resolved), 4 forecasts of 2 forecasters imported\n"
        "adjusted:\n"
        "  questions with forecasts without times, all made at the moment of the import: 2 "
        "(first: question snow)\n"
    )
    again = credence("import", survey)
    assert "0 questions (0 resolved), 0 forecasts" in again.stdout
    done = credence("export", tmp_path / "out", "--set", "my-survey")
    assert done.stdout == f"{tmp_path / 'out'}: 3 questions, 4 forecasts\n"
    with (tmp_path / "out" / "forecasts.csv").open() as file:
        rows = [(row["forecaster_id"], row["probability"]) for row in csv.DictReader(file)]
    assert sorted(rows) == [
        ("my-survey:ann", "0.2"),
        ("my-survey:ann", "0.3"),
        ("my-survey:ann", "0.9"),
        ("my-survey:bob", "0.4"),
    ]
    fails("export", tmp_path / "nothing", "--set", "nowhere", words="there is no set 'nowhere'")
    folder(survey, FORECASTS + "ann,fog,,0.3\n")
    fails("import", survey, words="forecasts.csv:6: question_id: 'fog' is not in questions.csv")
    folder(survey, FORECASTS + "ann,hail,,0.3\n")
    fails("import", survey, words="set 'my-survey' already exists with other data")
    fails("import", survey, "--set", "My Survey", words="a set's slug is")
    folder(survey, FORECASTS.replace("bob", "b" * 95))
    fails("import", survey, "--set", "long-names", words="must be at most 100 characters long")
    settled = folder(tmp_path / "settled", questions=QUESTIONS.replace("Hail?,", "Hail?,1"))
    fails("import", settled, words="run `credence init`")
    assert not (tmp_path / "nothing").exists()
    assert (count(Question), count(Forecast), count(Score)) == (3, 4, 0)


FATEBOOK = """\
Question title,Multiple choice option,Forecast created by,Forecast (scale = 0-1),\
Forecast created at,Question created by,Question created at,Question resolve by,\
Resolution,Resolved at
"Will it rain?",,"Ann",0.7,2026-01-02 09:05:7,"Ann",2026-01-01 10:00:00,2026-03-01 00:00:00,\
"YES",2026-02-01 08:00:00
"Will it rain?",,"Bob",0.2,2026-01-03 09:05:17,"Ann",2026-01-01 10:00:00,2026-03-01 00:00:00,\
"YES",2026-02-01 08:00:00
"""


def test_an_export_from_elsewhere_is_imported_whole_or_not_at_all(
    credence, fails, count, tmp_path: Path
) -> None:
    credence("account", "create", "root", "--role", "administrator")
    export = tmp_path / "Fatebook forecasts.csv"
    export.write_text(FATEBOOK + "more\n")
    fails("import", export, words="Fatebook forecasts.csv:4: Question created at: empty")
    assert (count(Question), count(Forecast)) == (0, 0)
    export.write_text(FATEBOOK)
    said = "1 questions (1 resolved), 2 forecasts of 2 forecasters imported\n"
    assert credence("import", export).stdout.startswith(f"set fatebook-forecasts: {said}")
    again = credence("import", export)
    assert again.stdout.startswith("set fatebook-forecasts: 0 questions (0 resolved), 0 forecasts")
    assert (count(Question), count(Forecast)) == (1, 2)
    credence("export", tmp_path / "out", "--set", "fatebook-forecasts")
    with (tmp_path / "out" / "forecasts.csv").open() as file:
        names = {row["forecaster_id"] for row in csv.DictReader(file)}
    assert names == {"fatebook-forecasts:Ann", "fatebook-forecasts:Bob"}


EXPORT = """\
adjusted:
  times without an offset read as UTC: 8 (first: {path}:2)
  forecasts without a forecaster's name, all taken for one, (no name): 1 (first: {path}:3)
  forecasts made after the close or the answer, which do not count: 1 (first: question 1)
"""


def test_a_dry_run_needs_no_database_and_says_what_an_import_says(
    credence, count, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fatebook.csv"
    path.write_text(FATEBOOK.replace('"Bob"', "").replace("2026-01-03", "2026-02-03"))
    summary = "set fatebook: 1 questions (1 resolved), 2 forecasts of 2 forecasters {}\n" + EXPORT
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("CREDENCE_DATABASE_URL", f"sqlite:///{tmp_path}/nowhere.db")
        done = credence("import", path, "--dry-run")
    assert done.stdout == summary.format("would be imported", path=path)
    assert not (tmp_path / "nowhere.db").exists()
    credence("account", "create", "root", "--role", "administrator")
    assert credence("import", path).stdout == summary.format("imported", path=path)
    assert (count(Question), count(Forecast)) == (1, 2)


def test_options_on_how_files_are_written_hold_for_every_command_that_reads_a_folder(
    credence, fails, tmp_path: Path
) -> None:
    survey = folder(tmp_path / "survey", FORECASTS.replace(",,", ",1767225600000,"))
    (survey / "questions.csv").write_bytes(QUESTIONS.replace("Hail?", "Grêle ?").encode("cp1252"))
    options = ("--encoding", "cp1252", "--times", "unix-ms")
    for command in (("aggregate", survey, "-o", "out.csv"), ("import", survey, "--dry-run")):
        assert credence(*command, *options).exit_code == 0
        fails(
            *command, *options[2:], words="questions.csv:4: byte 0xea at character 8 is not utf-8"
        )
        fails(*command, *options[:2], words="forecasts.csv:2: time: 1767225600000 may be a Unix")
        fails(*command, "--encoding", "klingon", words="'klingon' is not a text encoding")
        fails(*command, "--times", "days", words="'unix-s', 'unix-ms', 'rounds'", code=2)


def test_aggregating_a_folder_answers_every_open_question_in_its_order(
    credence, tmp_path: Path
) -> None:
    survey = folder(tmp_path / "survey")
    done = credence("aggregate", survey, "-o", "out.csv")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "out.csv: 3 rows\n", "")
    with (tmp_path / "out.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == COLUMNS
    assert [(row[0], row[4], row[5]) for row in rows] == [
        ("snow", "1", "bayes"),
        ("rain", "2", "bayes"),
        ("hail", "0", "bayes"),
    ]
    figures = [[float(cell) for cell in row[1:4]] for row in rows]
    assert all(0 < lower < middle < upper < 1 for middle, lower, upper in figures)
    assert figures[0][0] > 0.5 > figures[1][0]
    assert figures[2][0] == pytest.approx(0.5)
    credence("aggregate", survey, "-o", "all.csv", "--all-methods")
    with (tmp_path / "all.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row for row in table if row["method"] == "bayes"] == [
        dict(zip(COLUMNS, row, strict=True)) for row in rows
    ]
    means = {row["question_id"]: row for row in table if row["method"] == "mean"}
    assert float(means["rain"]["probability"]) == pytest.approx(0.35)
    assert means["hail"] | {"method": ""} == dict.fromkeys(COLUMNS, "") | {
        "question_id": "hail",
        "forecasters": "0",
    }


def test_a_folder_says_how_its_times_are_written(credence, fails, tmp_path: Path) -> None:
    survey = folder(tmp_path / "survey")
    with (survey / "questions.csv").open() as file:
        asked = list(csv.DictReader(file))
    asked[0] |= {"open_time": "1/31/26", "close_time": "N/A"}
    with (survey / "questions.csv").open("w") as file:
        writer = csv.DictWriter(file, asked[0])
        writer.writeheader()
        writer.writerows(asked)
    fails("aggregate", survey, "-o", "out.csv", words="'1/31/26' is not an ISO 8601 time")
    fails("aggregate", survey, "-o", "out.csv", "--dates", "ymd", words="'mdy', 'dmy'", code=2)
    options = ("--dates", "mdy", "--missing", "N/A")
    assert credence("aggregate", survey, "-o", "out.csv", *options).exit_code == 0
    assert "survey: " in credence("import", survey, *options).stdout


def test_a_folder_that_cannot_be_aggregated_leaves_the_earlier_answer(
    fails, tmp_path: Path
) -> None:
    (tmp_path / "out.csv").write_text("earlier")
    survey = folder(tmp_path / "survey", FORECASTS.replace("0.9", "1.2"))
    to = ("-o", "out.csv")
    fails("aggregate", survey, *to, words="forecasts.csv:2: probability: 1.2 is outside [0, 1]")
    fails("aggregate", tmp_path / "nowhere", *to, words="there is no such file")
    fails("aggregate", survey, words="Missing option '-o'", code=2)
    folder(survey)
    fails("aggregate", survey, "-o", "no/out.csv", words="no/out.csv: its folder does not exist")
    assert (tmp_path / "out.csv").read_text() == "earlier"


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if path:
        yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))


@pytest.mark.parametrize("path", list(commands(main, ())), ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*path, "--help"])
    assert done.exit_code == 0
    assert f"Example: credence {' '.join(path)}" in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_of_commands_says_of_each_what_its_own_help_begins_with(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert (command.help or "").splitlines()[0] == COMMANDS[name][1]


def test_listing_the_commands_imports_nothing_that_they_need() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "service.cli", "--help"],
        env=plain_environment(PYTHONPATH=str(Path(__file__).parents[3])),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    assert all(name in done.stdout for name in COMMANDS)
    assert "click" in imported
    assert imported.isdisjoint({"forecasting", "litestar", "msgspec", "numpy", "sqlalchemy"})


@pytest.mark.parametrize("wrong", [["nonsense"], ["--nonsense"], ["serve", "--port", "70000"]])
def test_a_wrong_use_is_refused_in_one_sentence(wrong: list[str]) -> None:
    done = CliRunner().invoke(main, wrong)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("credence: ")
    assert done.stderr.endswith("--help`\n")
    assert done.stderr.count("\n") == 1


def test_what_would_steer_a_terminal_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    echo("ann \x1b[2J\u202e\x07 is here")
    assert capsys.readouterr().out == "ann \\x1b[2J\\u202e\\x07 is here\n"


@pytest.mark.parametrize("command", ["fit", "worker", "serve", "demo", "backtest", "aggregate"])
def test_what_fits_asks_for_the_extra_that_installs_it(
    credence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("forecasting.requirements.find_spec", lambda _: None)
    done = credence("init")
    assert done.exit_code == 0, "only what fits needs the extra"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "forecasts.csv").write_text(FORECASTS, encoding="utf-8")
    resolved = QUESTIONS.replace('sleet?",', 'sleet?",1').replace("Rain?,", "Rain?,0")
    (folder / "questions.csv").write_text(resolved, encoding="utf-8")
    arguments = {
        "backtest": ("backtest", folder, "--folds", 2, "--kind", "folds"),
        "aggregate": ("aggregate", folder, "-o", tmp_path / "out.csv"),
    }.get(command, (command,))
    done = credence(*arguments)
    assert done.exit_code == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("credence: fits and the worker need numba, nutpie, pymc; ")
    assert "pip install 'credence-forecasts[worker]'" in last
    assert ("--no-worker" in last) == (command == "serve")
