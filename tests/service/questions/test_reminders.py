"""Reminders: what closes soon, and on which nothing of one's own stands, derived from the rows."""

from datetime import UTC, datetime, timedelta

import time_machine

OPENS = datetime(2026, 11, 1, tzinfo=UTC)
AT = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_what_closes_soon_without_a_forecast_that_stands_is_told(
    account, question, curator
) -> None:
    ann, bob = account("ann"), account("bob")
    with time_machine.travel(OPENS + HOUR, tick=False):
        never, expired, withdrawn, renewed, stands, resolved = (
            question(slug, closes_at=AT + hours * HOUR)
            for hours, slug in enumerate(
                ("never", "expired", "withdrawn", "renewed", "stands", "resolved"), start=1
            )
        )
        question("later", closes_at=AT + 100 * HOUR)
        question("endless", closes_at=None)
        question("drafted", closes_at=AT + HOUR, draft=True)
        question("upcoming", opens_at=AT + HOUR, closes_at=AT + 2 * HOUR)
        question("over", closes_at=AT)
        soon = (AT - HOUR).isoformat()
        for one in (expired, renewed):
            assert ann.forecast(one, 0.3, expires_at=soon).status_code == 201
        for one in (withdrawn, stands, resolved):
            ann.forecast(one, 0.3)
        bob.forecast(never, 0.3)
    with time_machine.travel(OPENS + 2 * HOUR, tick=False):
        ann("DELETE", f"/questions/{withdrawn}/forecasts/current")
        ann("DELETE", f"/questions/{stands}/forecasts/current")
    with time_machine.travel(OPENS + 3 * HOUR, tick=False):
        ann.forecast(renewed, 0.4)
        ann.forecast(stands, 0.4)
        curator.resolve(resolved, "yes")
    with time_machine.travel(AT, tick=False):
        told = ann.get("/account/reminders").json()["items"]
        assert [(one["question"]["id"], one["why"]) for one in told] == [
            (never, "never"),
            (expired, "expired"),
            (withdrawn, "withdrawn"),
        ]
        near = ann.get("/account/reminders", within_hours=1).json()["items"]
        assert [one["question"]["slug"] for one in near] == ["never"]
        assert len(ann.get("/account/reminders", within_hours=200).json()["items"]) == 4
        slugs = [one["question"]["slug"] for one in bob.get("/account/reminders").json()["items"]]
        assert slugs == ["expired", "withdrawn", "renewed", "stands"]
        ann.forecast(never, 0.2)
        assert len(ann.get("/account/reminders").json()["items"]) == 2
        refusal = ann.get("/account/reminders", within_hours=0)
        assert refusal.status_code == 422
        assert refusal.json()["detail"] == "within_hours: must be more than 0"


def test_reminders_are_paged_also_where_many_close_at_once(account, question) -> None:
    ann = account("ann")
    asked = [question(f"q{number}", closes_at=AT + (number // 3) * HOUR) for number in range(3, 9)]
    with time_machine.travel(AT, tick=False):
        seen, cursor = [], None
        while True:
            page = ann.get("/account/reminders", limit=2, **({"cursor": cursor} if cursor else {}))
            seen += [one["question"]["id"] for one in page.json()["items"]]
            cursor = page.json()["next"]
            if cursor is None:
                break
    assert seen == asked
