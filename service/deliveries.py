"""Deliveries: telling a webhook's address what its row says, signed, guarded and retried.

The signature is that of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 under the
secret's bytes over `ID.TIMESTAMP.BODY`, in Base64, after `v1,`.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import httpx
import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.database import Database
from service.models import Account, Webhook, WebhookAttempt, WebhookDelivery
from service.settings import Network
from service.webhooks import SECRET_PREFIX

log = logging.getLogger(__name__)

PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 300, 1_800, 7_200, 21_600, 43_200)
)
"""How long to wait after each attempt that failed; after the last one a delivery is given up."""

FAILURES_BEFORE_REST: Final = 30
PATIENCE_SECONDS: Final = 15.0
BATCH: Final = 100
NAT64: Final = tuple(IPv6Address("64:ff9b::").packed[:12])


class Refused(Exception):  # noqa: N818  # what the door does, not a fault of ours
    """An address that is not told, with the reason for its owner."""


async def due(session: AsyncSession, at: datetime) -> Sequence[int]:
    """The deliveries to try now, those that have waited longest first."""
    rows = await session.scalars(
        select(WebhookDelivery.id)
        .where(WebhookDelivery.due_at <= at)
        .order_by(WebhookDelivery.due_at, WebhookDelivery.id)
        .limit(BATCH)
    )
    return rows.all()


async def attempt(
    database: Database, delivery_id: int, *, at: datetime, private: Sequence[Network] = ()
) -> None:
    """Try one delivery, and record what came of it.

    It arrives at least once: a process that dies between sending and recording sends again, under
    the same `webhook-id`. After `FAILURES_BEFORE_REST` failures without a success, or when the
    address says that it is gone, the webhook is disabled.
    """
    async with database.write() as session:
        found = await _read(session, delivery_id, at)
    if found is None:
        return
    webhook, row = found
    status, error = await send(webhook, row, at=at, private=private)
    async with database.write() as session:
        await _record(session, delivery_id, status, error, at)
    log.info("delivery %d: %s", delivery_id, status or error)


async def _read(
    session: AsyncSession, delivery_id: int, at: datetime
) -> tuple[Webhook, WebhookDelivery] | None:
    """A delivery that is due; one that nobody is to be told of any more is given up."""
    webhook, row, account = (
        await session.execute(
            select(Webhook, WebhookDelivery, Account)
            .join(WebhookDelivery, WebhookDelivery.webhook_id == Webhook.id)
            .join(Account, Account.id == Webhook.account_id)
            .where(WebhookDelivery.id == delivery_id)
        )
    ).one()
    if webhook.removed_at or webhook.disabled_at or account.deactivated_at:
        row.due_at = None
    return None if row.due_at is None or row.due_at > at else (webhook, row)


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
    webhook.failures += 1
    given_up = row.attempts > len(PAUSES)
    row.due_at = None if given_up else at + PAUSES[row.attempts - 1]
    if webhook.failures >= FAILURES_BEFORE_REST or status == HTTPStatus.GONE:
        webhook.disabled_at, row.due_at = at, None


async def send(
    webhook: Webhook, row: WebhookDelivery, *, at: datetime, private: Sequence[Network] = ()
) -> tuple[int | None, str]:
    """Post a delivery; the status that was answered, or None and why there was none.

    Redirects are not followed, proxies of the environment not used, and the answer's body is not
    read. The address that the name stands for is looked up once, checked, and connected to.
    """
    url = httpx.URL(webhook.url)
    body = msgspec.json.encode(row.payload)
    headers = {
        "Host": url.netloc.decode(),
        "Content-Type": "application/json",
        "User-Agent": "Credence",
        **signed(webhook.secret, row.id, at, body),
    }
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            address = await admitted(url, private)
            async with (
                httpx.AsyncClient(
                    trust_env=False, follow_redirects=False, timeout=PATIENCE_SECONDS
                ) as client,
                client.stream(
                    "POST",
                    url.copy_with(host=address),
                    content=body,
                    headers=headers,
                    extensions={"sni_hostname": url.host},
                ) as answer,
            ):
                return answer.status_code, ""
    except TimeoutError:
        return None, f"no answer within {PATIENCE_SECONDS:g} s"
    except Refused as refusal:
        return None, str(refusal)
    except (httpx.HTTPError, OSError) as error:
        return None, f"{type(error).__name__}: {error}"


def signed(secret: str, delivery_id: int, at: datetime, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows that a body is ours, and when it was sent."""
    name, moment = f"delivery-{delivery_id}", str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    mark = hmac.new(key, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(mark).decode()}",
    }


async def admitted(url: httpx.URL, private: Sequence[Network]) -> str:
    """An address to connect to; Refused if any that the name stands for is not public.

    Those in `private` networks are let through.
    """
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Refused(f"the name {url.host!r} stands for no address") from None
    addresses = [ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    for address in addresses:
        if not public(address) and not any(address in network for network in private):
            raise Refused(f"{address} is not a public address")
    return str(addresses[0])


def public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is anyone's to reach, looking inside those that carry another."""
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if tuple(address.packed[:12]) == NAT64:
            inside = IPv4Address(address.packed[12:])
        if inside is not None:
            return public(inside)
    return address.is_global and not address.is_multicast
