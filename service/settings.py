"""Settings, the only code that reads the environment."""

import math
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

import questions

SHIPPED_SETS = Path(questions.__file__).parent / "sets"
PREFIX = "CREDENCE_"
HEADING = (
    "# Settings",
    "",
    "Each setting is an environment variable; an empty variable counts as absent. A variable that",
    f"starts with `{PREFIX}` and is missing from this table is refused, so that a misspelt name",
    "cannot go unnoticed.",
    "",
    "| variable | default | meaning |",
    "|---|---|---|",
)
CHOICES = {
    "readers": ("members", "everyone"),
    "registration": ("open", "invitation", "closed"),
    "log_format": ("text", "json"),
    "log_requests": ("none", "failed", "all"),
}
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}

Network = IPv4Network | IPv6Network


class SettingsError(ValueError):
    """A setting has an invalid value."""


def _about(default: float | str, about: str, *, least: float = 0, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"about": about, "least": least})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings, read from environment variables: `CREDENCE_` and the name in capitals."""

    database_url: str = _about(
        "sqlite:///credence.db",
        "the database, as a SQLAlchemy URL: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME",
        secret=True,
    )
    jobs_database_url: str = _about(
        "",
        "where the job engine keeps its state; empty: beside the SQLite file, or in the same "
        "PostgreSQL database",
        secret=True,
    )
    base_url: str = _about(
        "",
        "the public address of the service, such as https://forecasts.example.org, with which "
        "every absolute link begins; empty: the address to which a request was sent",
    )
    sets_folder: str = _about(str(SHIPPED_SETS), "the folder of sets that `credence init` loads")
    interval_level: float = _about(0.8, "the probability level of credible intervals, 0.5-0.99")
    max_body_bytes: int = _about(2_000_000, "the largest request body, in bytes", least=1_000)
    body_timeout_seconds: float = _about(
        30, "maximum time for the body of a request to arrive, in seconds", least=0.01
    )
    banner: str = _about("", "a sentence shown above every page; empty: none")
    readers: str = _about(
        "members",
        "who may read the pages: members (after signing in) or everyone",
    )
    registration: str = _about(
        "invitation", "who may register: open (anyone), invitation or closed (nobody)"
    )
    sign_in_attempts: int = _about(
        10,
        "password attempts per name in ten minutes from one address; the limit is six times as "
        "high for an address, and ten times as high for a name from all addresses new to it",
        least=1,
    )
    requests_per_minute: int = _about(
        6000,
        "requests per minute and account, counted by each process; 0: unlimited",
    )
    client_address_header: str = _about(
        "",
        "the header in which a trusted proxy passes a client's address, such as X-Forwarded-For "
        "(its last entry counts; X-Forwarded-Proto is then trusted too); empty: the address of the "
        "connection",
    )
    log_format: str = _about(
        "text", "format of the logs on standard error: text (for people) or json (for machines)"
    )
    log_requests: str = _about(
        "failed",
        "which requests are logged, with status and duration: none, failed (status 500 and above) "
        "or all",
    )
    llm_base_url: str = _about(
        "", "an OpenAI-compatible endpoint that proposes questions when drafting; empty: none"
    )
    llm_model: str = _about("", "the name of the model at that endpoint")
    llm_key: str = _about("", "the key for that endpoint; never shown", secret=True)
    fit_seed: int = _about(20250613, "the seed of every fit")
    fit_chains: int = _about(4, "chains sampled by a fit", least=2)
    fit_draws: int = _about(1400, "draws of each chain after tuning", least=50)
    fit_tune: int = _about(300, "tuning draws of each chain", least=50)
    fit_timeout_seconds: float = _about(1800, "maximum duration of a fit in seconds", least=1)
    fit_debounce_seconds: float = _about(
        5, "seconds without a new resolution before a refit starts", least=0.1
    )
    fit_longest_wait_seconds: float = _about(
        60, "maximum wait of a refit in seconds, however many resolutions arrive", least=0.1
    )
    worker_patience_seconds: float = _about(
        30,
        "seconds without a sign of life after which a worker is lost and others take over its work",
        least=1,
    )
    export_kept_hours: float = _about(
        24, "hours for which the file of an export can be downloaded", least=0.01
    )
    webhooks_private: str = _about(
        "",
        "private networks that webhooks may reach nevertheless, such as 10.1.0.0/16, separated by "
        "commas; empty: none",
    )
    webhooks_check_seconds: int = _about(
        5, "seconds between checks of the worker for new webhook events, 1 to 59", least=1
    )
    fit_check_seconds: int = _about(
        5,
        "seconds between checks of the worker for a due refit or a waiting task, 1 to 59",
        least=1,
    )

    def __post_init__(self) -> None:
        """Reject values that the service cannot use."""
        for setting in fields(self):
            least = setting.metadata["least"]
            value = getattr(self, setting.name)
            if isinstance(value, int | float) and not least <= value < math.inf:
                raise SettingsError(
                    f"{_variable(setting)} is {value}; it must be a finite number, at least {least}"
                )
        if not 0.5 <= self.interval_level <= 0.99:  # noqa: PLR2004  # the documented bounds
            raise SettingsError(
                f"{PREFIX}INTERVAL_LEVEL is {self.interval_level}; it must be from 0.5 to 0.99"
            )
        for name in ("fit_check_seconds", "webhooks_check_seconds"):
            if (value := getattr(self, name)) > 59:  # noqa: PLR2004  # the documented bound
                raise SettingsError(f"{PREFIX}{name.upper()} is {value}; it must be from 1 to 59")
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise SettingsError(
                    f"{PREFIX}{name.upper()} is {getattr(self, name)!r}; "
                    f"it must be one of {', '.join(allowed)}"
                )
        _ = self.url, self.jobs_url, self.private_networks, self.site

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; SettingsError names the invalid variable."""
        values: dict[str, Any] = {}
        for setting in fields(cls):
            text = environment.get(_variable(setting))
            if text is None or text == "":
                continue
            kind: type[int | float | str] = setting.type  # type: ignore[assignment]  # the annotations above are plain classes
            try:
                values[setting.name] = kind(text)
            except ValueError:
                raise SettingsError(
                    f"{_variable(setting)} is {text!r}; it must be {_allowed(kind)}"
                ) from None
        unknown = {name for name in environment if name.startswith(PREFIX)} - {
            _variable(setting) for setting in fields(cls)
        }
        if unknown:
            raise SettingsError(f"unknown setting: {', '.join(sorted(unknown))}")
        return cls(**values)

    @property
    def url(self) -> URL:
        """The database's URL with the driver that the service uses."""
        try:
            url = make_url(self.database_url)
        except (ArgumentError, ValueError):  # ValueError for a port that is not a number
            raise SettingsError(
                f"{PREFIX}DATABASE_URL is not a database URL; "
                "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
            ) from None
        backend = url.get_backend_name()
        if backend not in DRIVERS:
            raise SettingsError(
                f"{PREFIX}DATABASE_URL names {backend!r}; allowed are sqlite and postgresql"
            )
        if backend == "sqlite" and url.database in {None, "", ":memory:"}:
            raise SettingsError(
                f"{PREFIX}DATABASE_URL must name a file: the service and its worker share it"
            )
        return url.set(drivername=DRIVERS[backend])

    @property
    def jobs_url(self) -> str:
        """The job engine's database; with SQLite a separate file, so that neither blocks."""
        if self.jobs_database_url:
            return self.jobs_database_url
        if self.url.get_backend_name() == "sqlite":
            file = Path(str(self.url.database))
            return f"sqlite:///{file.with_name(f'{file.stem}-jobs{file.suffix}')}"
        return self.url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)

    @property
    def site(self) -> str:
        """The start of absolute links, without a trailing slash; empty if not set."""
        try:
            parts = urlsplit(self.base_url)
            _ = parts.port
        except ValueError:  # brackets without an IPv6 address, or a port that is not a number
            parts = urlsplit("")
        named = parts.scheme in {"http", "https"} and parts.hostname
        more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
        if self.base_url and (not named or more):
            raise SettingsError(
                f"{PREFIX}BASE_URL is {self.base_url!r}; it must be http:// or https:// and a host "
                "(with a port if necessary), and nothing after it"
            )
        return self.base_url.rstrip("/")

    @property
    def private_networks(self) -> list[Network]:
        """The private networks that webhooks may reach."""
        try:
            return [ip_network(text.strip()) for text in self.webhooks_private.split(",") if text]
        except ValueError as error:
            raise SettingsError(
                f"{PREFIX}WEBHOOKS_PRIVATE: {error}; write networks as 10.1.0.0/16"
            ) from None

    @classmethod
    def table(cls) -> list[tuple[str, str, str]]:
        """Every setting as (variable, default, meaning), for the documentation."""
        return [
            (_variable(setting), _shown(setting), str(setting.metadata["about"]))
            for setting in fields(cls)
        ]

    @classmethod
    def as_markdown(cls) -> str:
        """The content of docs/settings.md: the table of settings in Markdown."""
        rows = [f"| `{name}` | {default} | {about} |" for name, default, about in cls.table()]
        return "\n".join([*HEADING, *rows]) + "\n"


def _variable(setting: Field[Any]) -> str:
    return PREFIX + setting.name.upper()


def _shown(setting: Field[Any]) -> str:
    if setting.name == "sets_folder":
        return "the shipped sets"
    return str(setting.default) or "(empty)"


def _allowed(kind: type) -> str:
    return {int: "a whole number", float: "a number"}[kind]
