"""Who may open which page."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from litestar.routes import HTTPRoute

from service.accounts import accounts
from service.background import tasks
from service.clock import now
from service.database.engine import Database
from service.models import FrozenEntry, Role
from service.pages.filters import place_said
from service.pages.rendering import BUNDLE

ANYONE = {"visitor": 200, "viewer": 200, "forecaster": 200, "curator": 200}
MEMBERS = ANYONE | {"visitor": 303}
CURATORS = MEMBERS | {"viewer": 403, "forecaster": 403}
FORECAST = {"visitor": 401, "viewer": 403, "forecaster": 303, "curator": 303}
OWN = {"visitor": 401, "viewer": 303, "forecaster": 303, "curator": 303}
CURATE = {"visitor": 401, "viewer": 403, "forecaster": 403, "curator": 303}
ADMINISTRATORS = CURATORS | {"curator": 403}
GOVERN = {"visitor": 401, "viewer": 403, "forecaster": 403, "curator": 403}
CALLERS = {"visitor": 401, "viewer": 403, "forecaster": 200, "curator": 200}
CHART = MEMBERS | {"visitor": 303}

Q = "/questions/{question_id:int}"
PAGES: dict[tuple[str, str], dict[str, int]] = {
    ("GET", "/"): MEMBERS,
    ("GET", "/questions"): MEMBERS,
    ("GET", "/sets/{slug:str}"): MEMBERS,
    ("GET", "/sets/{slug:str}/feed.atom"): MEMBERS,
    ("GET", "/leaderboard"): MEMBERS,
    ("GET", "/calibration"): MEMBERS,
    ("GET", "/forecasters/{forecaster_id:int}"): MEMBERS,
    ("GET", "/model"): MEMBERS,
    ("GET", Q): MEMBERS,
    ("GET", f"{Q}/card"): MEMBERS,
    ("GET", f"{Q}/preview"): {"visitor": 303, "viewer": 403, "forecaster": 200, "curator": 200},
    ("GET", f"{Q}/history.json"): CHART,
    ("GET", f"{Q}/histogram.json"): CHART,
    ("POST", f"{Q}/forecasts"): FORECAST,
    ("POST", f"{Q}/withdrawal"): FORECAST,
    ("POST", f"{Q}/comments"): FORECAST,
    ("GET", "/sign-in"): ANYONE,
    ("GET", "/join"): ANYONE,
    ("GET", "/welcome"): MEMBERS,
    ("POST", "/welcome/token"): {"visitor": 401, "viewer": 200, "forecaster": 200, "curator": 200},
    ("GET", "/account"): MEMBERS,
    ("POST", "/account/tokens"): {"visitor": 401, "viewer": 200, "forecaster": 200, "curator": 200},
    ("POST", "/account/showing"): OWN | {"viewer": 403},
    ("GET", "/account/webhooks"): MEMBERS,
    ("POST", "/account/webhooks"): CALLERS,
    ("GET", "/account/reminders"): MEMBERS,
    ("GET", "/tasks"): MEMBERS,
    ("POST", "/tasks/exports"): OWN,
    ("POST", "/tasks/scores"): GOVERN,
    ("GET", "/accounts"): ADMINISTRATORS,
    ("POST", "/accounts"): GOVERN,
    ("POST", "/accounts/invitations"): GOVERN,
    ("GET", "/curate"): CURATORS,
    ("GET", "/curate/sets/{slug:str}"): CURATORS,
    ("POST", "/curate/sets/{slug:str}/visibility"): CURATE,
    ("POST", "/curate/sets/{slug:str}/archive"): CURATE,
    ("GET", "/curate/audit"): CURATORS,
    ("GET", "/curate/draft"): CURATORS,
    ("GET", "/curate/questions/{question_id:int}"): CURATORS,
    ("POST", "/curate/questions/{question_id:int}/{act:str}"): CURATE,
    ("POST", "/sign-out"): OWN | {"visitor": 303},
}
# What is opened by an id that only other tests make, or is drawn like a chart that is in the table.
ELSEWHERE = {
    ("GET", BUNDLE),
    ("GET", "/leaderboards/{leaderboard_id:int}"),
    ("GET", "/sets/{slug:str}/implications/{implication:str}"),
    ("GET", "/tasks/{task_id:int}/file"),
    ("POST", "/tasks/{task_id:int}/removal"),
    ("POST", "/sign-in"),
    ("POST", "/comments/{comment_id:int}/removal"),
    ("POST", "/join"),
    ("POST", "/account/password"),
    ("GET", "/account/webhooks/{webhook_id:int}"),
    ("POST", "/account/webhooks/{webhook_id:int}/removal"),
    ("POST", "/account/webhooks/{webhook_id:int}/enabling"),
    ("POST", "/account/webhooks/{webhook_id:int}/deliveries/{delivery_id:int}/redelivery"),
    ("POST", "/accounts/invitations/{invitation_id:int}/revocation"),
    ("GET", "/accounts/{account_id:int}"),
    ("POST", "/accounts/{account_id:int}/{act:str}"),
    ("POST", "/accounts/{account_id:int}/invitation"),
    ("POST", "/accounts/{account_id:int}/tokens"),
    ("POST", "/accounts/{account_id:int}/tokens/{token_id:int}/revocation"),
    ("GET", "/curate/sets/{slug:str}/set.toml"),
    ("POST", "/account/tokens/{token_id:int}/revocation"),
    ("POST", "/account/sessions/{session_id:int}/end"),
    ("POST", "/curate/draft"),
    ("POST", "/curate/draft/check"),
    ("POST", "/curate/draft/load"),
}
FORMS = {
    f"{Q}/forecasts": {"probability": "40"},
    f"{Q}/comments": {"text": "It *may*."},
    "/account/webhooks": {
        "url": "https://hooks.example/",
        "question.resolved": "yes",
        "moved_by": "5",
    },
    "/curate/sets/{slug:str}/visibility": {"visibility": "after_forecast", "reason": "Fair."},
    "/tasks/exports": {"what": "scores", "format": "csv"},
    "/account/tokens": {"label": "nightly", "scope": "read", "lifetime": "30"},
    "/curate/questions/{question_id:int}/{act:str}": {
        "outcome": "yes",
        "evidence_url": "https://example.org",
    },
}


def test_every_page_is_in_the_table(client) -> None:
    found = {
        (method, route.path)
        for route in client.app.routes
        if isinstance(route, HTTPRoute)
        and any(one.fn.__module__.startswith("service.pages") for one in route.route_handlers)
        for method in set(route.methods) - {"OPTIONS", "HEAD"}
    }
    charts = {(method, path) for method, path in found if path.endswith((".svg", ".png"))}
    trends = {one for one in found if one[1].endswith(("trend.json", "calibration.json"))}
    assert found - charts - trends - ELSEWHERE == set(PAGES)


@pytest.mark.parametrize("who", ["visitor", "viewer", "forecaster", "curator"])
def test_each_role_opens_what_the_table_says(opened, account, question, who: str) -> None:
    rain = question()
    account("ann").forecast(rain, 0.3)
    found = {}
    for method, template in PAGES:
        path = template.replace("{question_id:int}", str(rain)).replace("{slug:str}", "tests")
        path = path.replace("{forecaster_id:int}", "1").replace("{act:str}", "resolve")
        path += "?probability=30" if path.endswith("/preview") else ""
        answer = opened(
            method, path, who, data=FORMS.get(template, {}) if method == "POST" else None
        )
        found[method, template] = answer.status_code
        if answer.status_code == 303 and who == "visitor" and path != "/sign-out":
            assert answer.headers["location"].startswith("/sign-in?next=")
    assert found == {endpoint: statuses[who] for endpoint, statuses in PAGES.items()}


def test_a_form_from_another_site_is_refused(opened, client, question) -> None:
    rain = question()
    opened("GET", "/", "forecaster")
    answer = client.post(
        f"/questions/{rain}/forecasts",
        data={"probability": "40"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    assert "not sent from this site" in answer.text


def test_pages_carry_a_strict_policy_and_only_a_card_may_be_framed(opened, question) -> None:
    rain = question()
    page = opened("GET", f"/questions/{rain}", "viewer").headers["content-security-policy"]
    assert "unsafe" not in page
    assert "frame-ancestors 'none'" in page
    card = opened("GET", f"/questions/{rain}/card", "viewer").headers["content-security-policy"]
    assert "frame-ancestors *" in card
    assert "script-src" not in card


def test_a_document_names_its_feed_which_is_sent_once(opened, question) -> None:
    question()
    page = opened("GET", "/sets/tests", "viewer").text
    address = "/sets/tests/feed.atom"
    assert (
        f'<link rel="alternate" type="application/atom+xml" title="Tests" href="{address}">' in page
    )
    feed = opened("GET", address, "viewer")
    assert feed.headers["content-type"].startswith("application/atom+xml")
    assert feed.headers["etag"]


def test_a_forecast_in_tenths_is_read_back_in_tenths(opened, question) -> None:
    rain = question()
    form = {"probability": "12.5", "rationale": "Clouds."}
    assert (
        opened("POST", f"/questions/{rain}/forecasts", "forecaster", data=form).status_code == 303
    )
    page = " ".join(opened("GET", f"/questions/{rain}", "forecaster").text.split())
    assert "Your forecast: 12.5%" in page
    assert 'value="12.5"' in page
    assert "forecast 12.5%" in page  # what moved the aggregate
    assert "1 forecast of 12.5%." in page  # the histogram in words
    assert "· 12.5% ·" in page  # beside the rationale


def test_forecasts_near_certainty_are_never_shown_as_certain(opened, account, question) -> None:
    rain = question()
    account("ann").forecast(rain, 0.0004)
    account("ben").forecast(rain, 0.99996)
    page = opened("GET", f"/questions/{rain}", "viewer").text
    assert "2 forecasts from 0.04% to 99.996%" in page


def test_a_place_and_its_interval_are_one_statement() -> None:
    def said(rank: int, lower: int | None, upper: int | None) -> str:
        return place_said(FrozenEntry(rank=rank, rank_lower=lower, rank_upper=upper), 1384)

    assert said(1, 1, 12) == "1st–12th of 1,384"  # noqa: RUF001
    assert said(3, 3, 3) == "3rd of 1,384"
    assert said(2, None, None) == "2nd of 1,384"
    assert said(1, 3, 110) == "1st of 1,384, by skill 3rd–110th"  # noqa: RUF001


def test_a_reader_on_the_board_sees_their_own_row_first(opened, account, question, curator) -> None:
    day = timedelta(days=1)
    rain = question(opens_at=now() - day, closes_at=now() + day)
    for index in range(12):
        account(f"f{index}").forecast(rain, 0.9)
    form = {"probability": "10"}
    opened("POST", f"/questions/{rain}/forecasts", "forecaster", data=form)
    curator.resolve(rain, "yes")
    frozen = curator.post("/leaderboards", {"name": "cup", "score": "brier"}).json()["id"]
    for path in ("/leaderboard?score=brier", f"/leaderboards/{frozen}"):
        page = opened("GET", path, "forecaster")
        assert page.status_code == 200
        rows = page.text.partition("<tbody>")[2].split("<tr")[1:]
        assert "pinned" in rows[0]
        assert "<strong>13</strong>" in rows[0]
        assert "of 13</span>" in rows[0]
        assert "<strong>1</strong>" in rows[1]
        others = opened("GET", path, "viewer").text
        assert "pinned" not in others


def test_a_zero_is_kept_without_its_sign(account, question) -> None:
    rain, ann = question(), account("ann")
    ann.forecast(rain, -0.0)
    ann.post("/forecasts", [{"question_id": rain, "probability": -0.0}])
    told = ann.get(f"/questions/{rain}/forecasts", mine=True)
    assert [one["probability"] for one in told.json()["items"]] == [0.0, 0.0]
    assert "-0.0" not in told.text


def test_an_error_of_the_pages_is_a_page_and_one_of_the_api_is_not(opened, client) -> None:
    page = opened("GET", "/nowhere", "viewer")
    assert page.status_code == 404
    assert "<h1>Page not found</h1>" in page.text
    assert client.get("/api/v1/nowhere").headers["content-type"] == "application/problem+json"


def test_markdown_of_forecasters_cannot_run_anything(opened, account, question) -> None:
    rain = question()
    why = '<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror="alert(1)">'
    account("ann").forecast(rain, 0.3, rationale=why)
    told = opened("GET", f"/questions/{rain}", "viewer").text
    assert "<script>alert" not in told
    assert 'href="javascript' not in told
    assert "<img src=x" not in told


def test_an_account_is_for_administrators_and_a_bots_for_its_owner(
    opened, client, account, on_database
) -> None:
    opened("GET", "/account", "forecaster")
    opened("GET", "/account", "viewer")

    async def make(database: Database) -> int:
        async with database.write() as session:
            owner = await accounts.named(session, "forecaster")
            return (
                await accounts.create(session, "robot", Role.forecaster, bot=True, owner=owner)
            ).id

    path = f"/accounts/{on_database(make)}"
    assert opened("GET", path, "viewer").status_code == 403
    assert opened("GET", path, "administrator").status_code == 200
    mine = opened("GET", path, "forecaster")
    assert mine.status_code == 200
    assert "Deactivate the account" not in mine.text
    token = {"label": "nightly", "scope": "forecast", "lifetime": "30"}
    assert opened("POST", f"{path}/tokens", "viewer", data=token).status_code == 403
    assert "crd_" in opened("POST", f"{path}/tokens", "forecaster", data=token).text
    assert opened("POST", f"{path}/deactivated", "forecaster").status_code == 403
    assert opened("POST", f"{path}/role", "administrator", data={"role": "x"}).status_code == 422
    assert opened("POST", f"{path}/deactivated", "administrator").status_code == 303


def test_a_webhook_is_for_its_owner_alone(opened, account) -> None:
    form = {"url": "https://hooks.example/", "question.resolved": "yes", "moved_by": "5"}
    made = opened("POST", "/account/webhooks", "forecaster", data=form)
    (path,) = set(re.findall(r'href="(/account/webhooks/\d+)"', made.text))
    assert opened("GET", path, "forecaster").status_code == 200
    assert opened("GET", path, "curator").status_code == 404
    assert opened("POST", f"{path}/removal", "curator").status_code == 404
    assert opened("POST", f"{path}/enabling", "forecaster").status_code == 303
    assert opened("POST", f"{path}/deliveries/1/redelivery", "forecaster").status_code == 404
    assert opened("POST", f"{path}/removal", "forecaster").status_code == 303
    assert opened("GET", path, "forecaster").status_code == 404


def test_the_model_is_not_to_be_trusted_where_no_fit_learned_from_old_resolutions(
    opened, account, question, curator
) -> None:
    rain = question()
    account("ann").forecast(rain, 0.3)
    curator.resolve(rain, "yes")
    warning = "Do not trust the aggregates yet."
    assert warning not in opened("GET", "/", "viewer").text
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        for path in ("/", f"/questions/{rain}", "/sets/tests", "/model"):
            assert warning in opened("GET", path, "viewer").text, path


def test_an_export_is_asked_for_seen_had_and_removed(
    opened, account, question, on_database
) -> None:
    account("ann").forecast(question("rain", closes_at=now() + timedelta(hours=5)), 0.3)
    assert "Closing within two days" in opened("GET", "/", "forecaster").text
    assert "You have not forecast yet" in opened("GET", "/account/reminders", "forecaster").text
    wrong = opened("POST", "/tasks/exports", "forecaster", data={"what": "x", "format": "csv"})
    assert wrong.status_code == 422
    assert "choose one of the options" in wrong.text
    asked = {"what": "forecasts", "format": "csv"}
    assert opened("POST", "/tasks/exports", "forecaster", data=asked).status_code == 303
    shown = opened("GET", "/tasks", "forecaster").text
    assert "queued" in shown
    assert "No worker is running" in " ".join(shown.split())
    on_database(lambda database: tasks.run(database, 1, kept=timedelta(hours=1)))
    assert "/tasks/1/file" in opened("GET", "/tasks", "forecaster").text
    file = opened("GET", "/tasks/1/file", "forecaster")
    assert file.text.startswith("id,set,question_id")
    assert file.headers["content-type"].startswith("text/csv")
    assert opened("GET", "/tasks/1/file", "curator").status_code == 404
    assert opened("POST", "/tasks/1/removal", "forecaster").status_code == 303
    assert "expired" in opened("GET", "/tasks", "forecaster").text
    assert opened("POST", "/tasks/scores", "administrator").status_code == 303
    on_database(lambda database: tasks.run(database, 2, kept=timedelta(hours=1)))
    assert "the same as before" in opened("GET", "/tasks", "administrator").text
