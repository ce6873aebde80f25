"""Settings: what they default to, how they are documented, and what they refuse."""

from dataclasses import fields
from pathlib import Path

import pytest

from questions.load import find_sets
from service.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]


def test_without_an_environment_the_defaults_serve_one_machine() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert str(settings.url) == "sqlite+aiosqlite:///credence.db"
    assert settings.jobs_url == "sqlite:///credence-jobs.db"
    assert settings.interval_level == 0.8
    assert find_sets(Path(settings.sets_folder))


def test_every_setting_can_be_set_by_its_documented_variable() -> None:
    assert len(Settings.table()) == len(fields(Settings))
    values = {
        "max_body_bytes": "1000",
        "registration": "open",
        "log_format": "json",
        "log_requests": "all",
        "fit_draws": "50",
        "fit_tune": "50",
        "fit_timeout_seconds": "1.5",
        "worker_patience_seconds": "1.5",
        "readers": "everyone",
        "base_url": "https://forecasts.example.org:8443",
        "webhooks_private": "10.1.0.0/16",
    }
    plain: dict[object, str] = {str: "sqlite:///other.db", int: "7", float: "0.9"}
    for (variable, _, about), setting in zip(Settings.table(), fields(Settings), strict=True):
        assert about
        value = values.get(setting.name, plain[setting.type])
        read = getattr(Settings.from_environment({variable: value}), setting.name)
        assert read == setting.type(value)


def test_the_page_of_the_settings_is_up_to_date() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == Settings.as_markdown()


def test_an_empty_variable_counts_as_absent_and_others_are_left_alone() -> None:
    environment = {"CREDENCE_INTERVAL_LEVEL": "", "PATH": "/bin", "CREDENCES": "many"}
    assert Settings.from_environment(environment) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("INTERVAL_LEVEL", "high", "'high'; it must be a number"),
        ("INTERVAL_LEVEL", "nan", "a finite number"),
        ("INTERVAL_LEVEL", "0.4", "from 0.5 to 0.99"),
        ("INTERVAL_LEVEL", "1", "from 0.5 to 0.99"),
        ("MAX_BODY_BYTES", "2e6", "a whole number"),
        ("MAX_BODY_BYTES", "10", "at least 1000"),
        ("FIT_SEED", "-1", "at least 0"),
        ("FIT_CHAINS", "1", "at least 2"),
        ("FIT_DRAWS", "0", "at least 50"),
        ("FIT_TIMEOUT_SECONDS", "0", "at least 1"),
        ("FIT_TIMEOUT_SECONDS", "inf", "finite"),
        ("FIT_CHECK_SECONDS", "60", "from 1 to 59"),
        ("REGISTRATION", "Open", "'Open'; it must be one of open, invitation, closed"),
        ("SIGN_IN_ATTEMPTS", "0", "at least 1"),
        ("DATABASE_URL", "credence.db", "is not a database URL"),
        ("DATABASE_URL", "mysql://host/name", "'mysql'; allowed are sqlite and postgresql"),
        ("DATABASE_URL", "sqlite://", "must name a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "must name a file"),
        ("BASE_URL", "forecasts.example.org", "must be http:// or https:// and a host"),
        ("BASE_URL", "ftp://forecasts.example.org", "must be http:// or https:// and a host"),
        ("BASE_URL", "https://forecasts.example.org/credence", "nothing after it"),
        ("BASE_URL", "https://ann@forecasts.example.org", "nothing after it"),
        ("BASE_URL", "https://forecasts.example.org:port", "must be http:// or https://"),
        ("DATABSE_URL", "sqlite:///x.db", "unknown setting: CREDENCE_DATABSE_URL"),
    ],
)
def test_a_bad_value_is_refused_by_its_variable(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"CREDENCE_{name}") as refusal:
        Settings.from_environment({f"CREDENCE_{name}": value})
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_refused_database_url_does_not_show_its_password() -> None:
    for url in ("mysql://ann:hunter2@host/name", "postgresql://ann:hunter2@host:port/name"):
        with pytest.raises(SettingsError) as refusal:
            Settings.from_environment({"CREDENCE_DATABASE_URL": url})
        assert "hunter2" not in str(refusal.value)


def test_the_jobs_go_beside_the_sqlite_file_or_into_the_same_postgresql() -> None:
    beside = Settings(database_url="sqlite:////var/lib/credence/main.db")
    assert beside.jobs_url == "sqlite:////var/lib/credence/main-jobs.db"
    same = Settings(database_url="postgresql://ann:hunter2@host/credence")
    assert same.jobs_url == "postgresql+psycopg://ann:hunter2@host/credence"
    own = Settings(jobs_database_url="sqlite:///elsewhere.db")
    assert own.jobs_url == "sqlite:///elsewhere.db"


def test_no_secret_is_shown_where_settings_are_printed() -> None:
    settings = Settings(database_url="postgresql://ann:hush@db/credence", llm_key="whisper")
    assert "hush" not in repr(settings)
    assert "whisper" not in repr(settings)
