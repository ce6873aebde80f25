"""Deliveries: signed HTTP requests to webhook addresses, with address checks and retries.

Workers deliver account by account, with at most one run per account at a time. A run processes each
webhook's deliveries in sequence, and several webhooks in parallel, for a bounded time. An account
with many deliveries or slow receivers therefore does not delay other accounts.

Signatures follow Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 of
`ID.TIMESTAMP.BODY` with the secret's bytes as the key, in Base64, prefixed with `v1,`.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import httpx
import msgspec
from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import now
from service.database.engine import Database
from service.exceptions import Invalid
from service.models import Account, Webhook, WebhookAttempt, WebhookDelivery
from service.notifications.addresses import BlockedAddress, check_url, resolve_allowed_address
from service.notifications.webhooks import SECRET_PREFIX, record_failure
from service.settings import Network

log = logging.getLogger(__name__)

PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 300, 1_800, 7_200, 21_600, 43_200)
)
"""Delay after each failed attempt; a delivery is abandoned after the last one."""

PATIENCE_SECONDS: Final = 15.0
RUN_SECONDS: Final = 20.0
"""A run starts no delivery after this; the rest wait for the account's next run."""
BATCH: Final = 50
"""Maximum number of deliveries per webhook and run."""


async def due(session: AsyncSession, at: datetime) -> Sequence[int]:
    """Accounts with deliveries that are due, longest waiting first.

    Deliveries of removed or disabled webhooks are abandoned.
    """
    stopped = (
        select(Webhook.id)
        .join(Account, Account.id == Webhook.account_id)
        .where(
            or_(
                Webhook.removed_at.is_not(None),
                Webhook.disabled_at.is_not(None),
                Account.deactivated_at.is_not(None),
            )
        )
    )
    waits = WebhookDelivery.due_at <= at
    await session.execute(
        update(WebhookDelivery)
        .where(waits, WebhookDelivery.webhook_id.in_(stopped))
        .values(due_at=None)
        .execution_options(synchronize_session=False)
    )
    rows = await session.scalars(
        select(Webhook.account_id)
        .join(WebhookDelivery, WebhookDelivery.webhook_id == Webhook.id)
        .where(waits)
        .group_by(Webhook.account_id)
        .order_by(func.min(WebhookDelivery.due_at), Webhook.account_id)
    )
    return rows.all()


async def run(
    database: Database,
    account_id: int,
    *,
    private: Sequence[Network] = (),
    clock: Callable[[], datetime] = now,
) -> None:
    """Attempt an account's due deliveries, in sequence for each webhook.

    Webhooks are processed in parallel. Deliveries that cannot start within `RUN_SECONDS` are left
    for the next run.
    """
    async with database.read() as session:
        waiting = await _due_by_webhook(session, account_id, clock())
    loop = asyncio.get_running_loop()
    until = loop.time() + RUN_SECONDS

    async def work_off(ids: Sequence[int]) -> None:
        for delivery_id in ids:
            if loop.time() >= until:
                return
            try:
                await attempt(database, delivery_id, at=clock(), private=private)
            except Exception:
                log.exception("the outcome of delivery %d could not be recorded", delivery_id)

    await asyncio.gather(*(work_off(ids) for ids in waiting))


async def _due_by_webhook(
    session: AsyncSession, account_id: int, at: datetime
) -> list[Sequence[int]]:
    """The due deliveries of each webhook, longest waiting first."""
    webhook_ids = await session.scalars(
        select(Webhook.id).where(Webhook.account_id == account_id).order_by(Webhook.id)
    )
    results = [
        await session.scalars(
            select(WebhookDelivery.id)
            .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.due_at <= at)
            .order_by(WebhookDelivery.due_at, WebhookDelivery.id)
            .limit(BATCH)
        )
        for webhook_id in webhook_ids
    ]
    return [ids for rows in results if (ids := rows.all())]


async def attempt(
    database: Database, delivery_id: int, *, at: datetime, private: Sequence[Network] = ()
) -> None:
    """Attempt one delivery and record the outcome; any exception counts as a failed attempt.

    Deliveries arrive at least once: after a crash between sending and recording, the delivery is
    sent again with the same `webhook-id`. The webhook is disabled after `FAILURES_BEFORE_REST`
    consecutive failures, or when the address answers 410 Gone.
    """
    try:
        async with database.read() as session:
            due_delivery = await _read(session, delivery_id, at)
        if due_delivery is None:
            return
        status, error = await send(*due_delivery, at=at, private=private)
    except Exception:
        log.exception("delivery %d could not be made", delivery_id)
        status, error = None, "the delivery could not be made"
    async with database.write() as session:
        await _record(session, delivery_id, status, error, at)
    log.info("delivery %d: %s", delivery_id, status or error)


async def _read(
    session: AsyncSession, delivery_id: int, at: datetime
) -> tuple[Webhook, WebhookDelivery] | None:
    """A delivery, if it is still due, and its webhook."""
    row = (
        await session.execute(
            select(Webhook, WebhookDelivery)
            .join(WebhookDelivery, WebhookDelivery.webhook_id == Webhook.id)
            .join(Account, Account.id == Webhook.account_id)
            .where(
                WebhookDelivery.id == delivery_id,
                WebhookDelivery.due_at <= at,
                Webhook.removed_at.is_(None),
                Webhook.disabled_at.is_(None),
                Account.deactivated_at.is_(None),
            )
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


async def _record(
    session: AsyncSession, delivery_id: int, status: int | None, error: str, at: datetime
) -> None:
    row = await session.get_one(WebhookDelivery, delivery_id)
    webhook = await session.get_one(Webhook, row.webhook_id, with_for_update=True)
    session.add(WebhookAttempt(delivery_id=delivery_id, status=status, error=error, created_at=at))
    row.attempts += 1
    if status is not None and status // 100 == HTTPStatus.OK // 100:
        row.due_at, webhook.failures = None, 0
        return
    record_failure(webhook, at)
    given_up = row.attempts > len(PAUSES)
    row.due_at = None if given_up else at + PAUSES[row.attempts - 1]
    if status == HTTPStatus.GONE:
        webhook.disabled_at = at
    if webhook.disabled_at is not None:
        row.due_at = None


async def send(
    webhook: Webhook, row: WebhookDelivery, *, at: datetime, private: Sequence[Network] = ()
) -> tuple[int | None, str]:
    """Post a delivery; returns the response status, or None and the reason for no response.

    Redirects are not followed, environment proxies are ignored, and the response body is not read.
    The host name is resolved once, and the connection goes to the checked address. The reason is a
    sentence for the webhook's owner that reveals no internal addresses or names; the log has the
    details.
    """
    try:
        url = check_url(webhook.url, private)
        body = msgspec.json.encode(row.payload)
        headers = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "Credence",
            **signed(webhook.secret, row.id, at, body),
        }
        async with asyncio.timeout(PATIENCE_SECONDS):
            address = await resolve_allowed_address(url, private)
            async with (
                httpx.AsyncClient(
                    trust_env=False, follow_redirects=False, timeout=PATIENCE_SECONDS
                ) as client,
                client.stream(
                    "POST",
                    url.copy_with(host=address),
                    content=body,
                    headers=headers,
                    extensions={"sni_hostname": url.raw_host.decode("ascii")},
                ) as response,
            ):
                return response.status_code, ""
    except Invalid:
        return None, "the webhook's URL is not one that deliveries may go to"
    except Exception as error:  # noqa: BLE001  # any failure concerns this delivery only
        log.info("delivery %d: %s: %s", row.id, type(error).__name__, error)
        return None, _reason(error)


def _reason(error: Exception) -> str:
    """Why there was no response, in one sentence without addresses or host names."""
    match error:
        case TimeoutError() | httpx.TimeoutException():
            return f"no answer within {PATIENCE_SECONDS:g} s"
        case BlockedAddress():
            return "the host does not resolve to a public address"
        case httpx.ConnectError() if _caused_by_tls(error):
            return "the TLS certificate or version of the host was not accepted"
        case httpx.ConnectError() | OSError():
            return "the host accepts no connection"
        case httpx.HTTPError():
            return "the connection broke off, or the answer was not HTTP"
        case _:
            return "the delivery could not be made"


def _caused_by_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def signed(secret: str, delivery_id: int, at: datetime, body: bytes) -> dict[str, str]:
    """Headers that let a receiver verify the origin of a body and when it was sent."""
    name, moment = f"delivery-{delivery_id}", str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signature = hmac.new(key, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
