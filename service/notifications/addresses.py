"""Addresses that webhooks may be delivered to: rules for URLs and for resolved hosts.

A delivery connects only to global unicast addresses outside IANA's special-purpose blocks, and to
the private networks that a setting names. `check_url` validates the URL at registration;
`resolve_allowed_address` checks the addresses a name resolves to at each connection.
"""

import asyncio
import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from questions.text import LONGEST_URL
from service.exceptions import Invalid
from service.settings import Network

if TYPE_CHECKING:
    import httpx

LARGEST_PORT: Final = 65_535
PORTS: Final = {"http": 80, "https": 443}

# https://www.iana.org/assignments/ipv4-address-space and ipv6-address-space: blocks assigned as
# global unicast. IPv4 from 224.0.0.0 on is multicast and reserved.
UNICAST: Final = (ip_network("0.0.0.0/1"), ip_network("128.0.0.0/2"), ip_network("192.0.0.0/3"),
                  ip_network("2000::/3"))  # fmt: skip

# https://www.iana.org/assignments/iana-ipv4-special-registry (2025-10-09). Blocks contained in
# another listed block are omitted.
SPECIAL_IPV4: Final = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private use
    "100.64.0.0/10",  # shared address space
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link local
    "172.16.0.0/12",  # private use
    "192.0.0.0/24",  # IETF protocol assignments
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # deprecated 6to4 relay anycast
    "192.168.0.0/16",  # private use
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarking
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "240.0.0.0/4",  # reserved, limited broadcast
)

# https://www.iana.org/assignments/iana-ipv6-special-registry (2025-10-09), likewise.
SPECIAL_IPV6: Final = (
    "::/128",  # unspecified
    "::1/128",  # loopback
    "::ffff:0:0/96",  # IPv4-mapped
    "64:ff9b::/96",  # IPv4-IPv6 translation
    "64:ff9b:1::/48",  # local-use IPv4-IPv6 translation
    "100::/64",  # discard only
    "100:0:0:1::/64",  # dummy prefix
    "2001::/23",  # IETF protocol assignments, Teredo, benchmarking, ORCHID
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # documentation
    "5f00::/16",  # segment routing
    "fc00::/7",  # unique local
    "fe80::/10",  # link local
)

SPECIAL: Final = tuple(ip_network(block) for block in (*SPECIAL_IPV4, *SPECIAL_IPV6))
TRANSLATED: Final = ip_network("64:ff9b::/96")
"""Embeds an IPv4 address to which a translator forwards packets; that address decides."""

LOOPBACK: Final = IPv4Address("127.0.0.1")
LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
LONGEST_HOST: Final = 253


class BlockedAddress(Exception):  # noqa: N818  # a decision, not an error
    """A host that does not resolve, or resolves to an address that deliveries must not reach."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is global unicast and in no special-purpose block."""
    if isinstance(address, IPv6Address) and address in TRANSLATED:
        return is_public(IPv4Address(address.packed[-4:]))
    return any(address in block for block in UNICAST) and not any(
        address in block for block in SPECIAL
    )


def is_allowed(address: IPv4Address | IPv6Address, private: Sequence[Network]) -> bool:
    """Whether a delivery may go to an address: a public one, or one in a `private` network."""
    return is_public(address) or any(address in network for network in private)


def check_url(url: str, private: Sequence[Network] = ()) -> "httpx.URL":
    """Parse the URL of a webhook; raises Invalid if deliveries could never reach it.

    A name is not resolved here; `resolve_allowed_address` does so at each delivery.
    """
    import httpx  # noqa: PLC0415  # six megabytes of every web process

    try:
        parsed = httpx.URL(url)
        host = parsed.host and parsed.raw_host.decode("ascii").lower()
        port = parsed.port
    except (httpx.InvalidURL, ValueError):  # ValueError includes names that IDNA refuses
        raise _invalid("is not a valid http or https address") from None
    if len(url) > LONGEST_URL:
        raise _invalid(f"must have at most {LONGEST_URL:,} characters")
    if parsed.scheme not in PORTS or not host:
        raise _invalid("must be an http or https address, such as https://example.org/hook")
    if parsed.userinfo:
        raise _invalid("must not contain a user name or password")
    if port is not None and not 0 < port <= LARGEST_PORT:
        raise _invalid(f"names port {port}; ports go from 1 to {LARGEST_PORT:,}")
    for address in _literals(host):
        if not is_allowed(address, private):
            raise _invalid(f"names {address}, which is not a public address")
    return parsed


def _literals(host: str) -> Sequence[IPv4Address | IPv6Address]:
    """The address literal in a host, if it is one; empty for a name that must be resolved."""
    host = host.removesuffix(".")
    if ":" in host:
        try:
            if "%" not in host:
                return [IPv6Address(host)]
        except ValueError:
            pass
        raise _invalid(f"has the host {host!r}, which is not an IPv6 address without a zone")
    labels = host.split(".")
    # Resolvers read a host that ends in a number as IPv4, in one of several notations.
    if NUMBER.fullmatch(labels[-1]):
        try:
            return [IPv4Address(host)]
        except ValueError:
            raise _invalid(
                f"has the host {host!r}; write an IPv4 address as four decimal numbers"
            ) from None
    if len(host) > LONGEST_HOST or not all(LABEL.fullmatch(label) for label in labels):
        raise _invalid(f"has the host {host!r}, which is not a valid domain name")
    return [LOOPBACK] if labels[-1] == "localhost" else []


def _invalid(what: str) -> Invalid:
    return Invalid(f"url {what}", field="url")


async def resolve_allowed_address(url: "httpx.URL", private: Sequence[Network]) -> str:
    """The address to connect to; raises BlockedAddress unless all resolved ones are allowed."""
    port = url.port or PORTS[url.scheme]
    loop = asyncio.get_running_loop()
    host = url.raw_host.decode("ascii")
    try:
        resolved = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise BlockedAddress(f"{host!r} resolves to no address") from None
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in resolved]
    for address in addresses:
        if not is_allowed(address, private):
            raise BlockedAddress(f"{host!r} resolves to {address}")
    return str(addresses[0])
