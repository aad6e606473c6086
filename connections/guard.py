"""Fetching an address that a stranger wrote, without being led into our own network.

Every name is resolved once and the connection goes to the address that was checked; every redirect is checked anew.
"""

import ipaddress
import socket
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from connections.http import MAX_BODY, Answer, call, session
from models.errors import Rejected

MAX_REDIRECTS: Final = 5


class PublicResolver(AbstractResolver):
    """Gives only addresses that anybody on the internet could reach."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [address for address in found if is_public(address["host"])]
        if not public:
            raise OSError(None, f"{host} is inside a private network")
        return public

    async def close(self) -> None:
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's: not private, loopback, link-local, multicast or reserved."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0].strip("[]"))
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inside = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inside is not None:
            return is_public(str(inside))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _INSIDE)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_INSIDE = [*map(ipaddress.ip_network, ("64:ff9b:1::/48", "fec0::/10", "::/96", "168.63.129.16/32"))]
"""Inside by use, if not by name: local NAT64, site-local, IPv4-compatible, and the agent of machines at Azure."""


class Fetcher:
    """GETs over http and https; with `private` it may also reach our own network, which an operator has to ask for."""

    def __init__(self, *, private: bool = False) -> None:
        self.private = private
        self._http = session() if private else session(connector=aiohttp.TCPConnector(resolver=PublicResolver()))

    async def get(self, url: str, headers: Mapping[str, str] | None = None, limit: int = MAX_BODY) -> Answer:
        """Follows at most MAX_REDIRECTS; raises Rejected for an address that must not be fetched."""
        address = _address(url)
        for _ in range(MAX_REDIRECTS + 1):
            self._check(address)
            answer = await call(self._http, "GET", address, headers=headers, follow=False, limit=limit)
            location = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer
            address = _address(location, address)
        raise Rejected(f"More than {MAX_REDIRECTS} redirects.")

    def _check(self, address: URL) -> None:
        """What is checked is the very address that is called, its host spelled as it will be resolved."""
        if address.scheme not in ("http", "https") or not address.host:
            raise Rejected(f"Only http and https addresses are fetched, not {str(address)[:100]}")
        if address.user or address.password:
            raise Rejected("An address with a name and password in it is not fetched.")
        literal = _as_ip(address.host)
        if not self.private and literal is not None and not is_public(literal):
            raise Rejected(f"{address.host} is inside a private network.")

    async def close(self) -> None:
        await self._http.close()


def _address(text: str, base: URL | None = None) -> URL:
    try:
        return base.join(URL(text)) if base is not None else URL(text)
    except ValueError as error:
        raise Rejected("This is not an address.") from error


def _as_ip(host: str) -> str | None:
    """The address that a host spells, in any of the ways that resolvers read (127.1, 0x7f000001, 2130706433)."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
