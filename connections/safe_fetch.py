"""Fetching untrusted URLs without reaching our own network (SSRF).

Every name is resolved once and the connection goes to the address that was checked; every redirect is checked again.
"""

import ipaddress
import socket
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from connections.http import MAX_BODY, HttpResponse, call, session
from models.errors import Rejected

MAX_REDIRECTS: Final = 5


class PublicResolver(AbstractResolver):
    """Resolves to public addresses only."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await self._resolver.resolve(host, port, family)
        public = [address for address in addresses if is_public(address["host"])]
        if not public:
            raise OSError(None, f"{host} is inside a private network")
        return public

    async def close(self) -> None:
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether an IP address is public: not private, loopback, link-local, multicast or reserved."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0].strip("[]"))
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if embedded is not None:
            return is_public(str(embedded))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _PRIVATE)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PRIVATE = [*map(ipaddress.ip_network, ("64:ff9b:1::/48", "fec0::/10", "::/96", "168.63.129.16/32"))]
"""Private in practice: local NAT64, site-local, IPv4-compatible, and the agent of Azure's machines."""


class Fetcher:
    """GET requests over http and https; with `private`, which an operator has to set, in our own network too."""

    def __init__(self, *, private: bool = False) -> None:
        self.private = private
        self._http = session() if private else session(connector=aiohttp.TCPConnector(resolver=PublicResolver()))

    async def get(self, url: str, headers: Mapping[str, str] | None = None, limit: int = MAX_BODY) -> HttpResponse:
        """Follows at most MAX_REDIRECTS; raises Rejected for a URL that must not be fetched."""
        target = _url(url)
        for _ in range(MAX_REDIRECTS + 1):
            self._check(target)
            response = await call(self._http, "GET", target, headers=headers, follow_redirects=False, limit=limit)
            location = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            target = _url(location, target)
        raise Rejected(f"More than {MAX_REDIRECTS} redirects.")

    def _check(self, url: URL) -> None:
        """Checks the URL as it will be requested, with its host spelled as it will be resolved."""
        if url.scheme not in ("http", "https") or not url.host:
            raise Rejected(f"Only http and https URLs are fetched, not {str(url)[:100]}")
        if url.user or url.password:
            raise Rejected("A URL with a user name and password is not fetched.")
        literal = _as_ip(url.host)
        if not self.private and literal is not None and not is_public(literal):
            raise Rejected(f"{url.host} is inside a private network.")

    async def close(self) -> None:
        await self._http.close()


def _url(text: str, base: URL | None = None) -> URL:
    try:
        return base.join(URL(text)) if base is not None else URL(text)
    except ValueError as error:
        raise Rejected("This is not a valid URL.") from error


def _as_ip(host: str) -> str | None:
    """The IP address that a host is, in any of the spellings that resolvers accept (127.1, 0x7f000001, 2130706433)."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
