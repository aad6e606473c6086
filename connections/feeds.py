"""RSS and Atom feeds, read in a process of their own that is killed when a feed takes too long.

Anybody may write a feed: feedparser's expressions are quadratic on some inputs and hold the interpreter, which a thread would not
help against. https://feedparser.readthedocs.io
"""

import asyncio
import calendar
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from models.errors import Unavailable
from models.html import html_to_text, resolve_entities

MAX_ENTRIES: Final = 1_000
PARSE_SECONDS: Final = 10.0
"""After which the process is killed; an ordinary feed takes a tenth of a second, the first one another half to start."""
MEMORY_LIMIT: Final = 1_500_000_000
"""Bytes of address space of the process."""
MAX_FIELD: Final = 300
"""Characters of a person's name or address that are read: what looks almost like an address is matched in quadratic time."""

_PERSON: Final = re.compile(
    rb"(<(?:[a-z]+:)?(?:author|creator|publisher|contributor|name|email|managingEditor|webMaster)\b[^>]{0,300}>"
    rb"(?:\s*<!\[CDATA\[)?[^<]{%d})[^<]+" % MAX_FIELD,
    re.IGNORECASE,
)
_HALVES: Final = re.compile(rb"&#(?:x[0-9a-fA-F]{4}|\d{5});&#(?:x[0-9a-fA-F]{4}|\d{5});", re.IGNORECASE)
_LONE_HALF: Final = re.compile(
    rb"&#(?:x[dD][89a-fA-F][0-9a-fA-F]{2}|5529[6-9]|55[3-9]\d\d|56\d{3}|57[0-2]\d\d|573[0-3]\d|5734[0-3]);"
)
_ENCODING: Final = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.-]{1,40})["']""")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry; texts are plain. `published` is None where there is no date, or none that can be read."""

    guid: str = ""
    link: str = ""
    title: str = ""
    body: str = ""
    html: str = ""
    """The body as it was, for those who know what is in it (Reddit)."""
    author: str = ""
    published: datetime | None = None


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """`is_feed` is False for what is some other document."""

    is_feed: bool = True
    title: str = ""
    language: str = ""
    entries: tuple[Entry, ...] = ()


class Request(msgspec.Struct, frozen=True):
    body: bytes
    url: str
    charset: str


class FeedReader:
    """One process, started at the first feed, again after it was killed, and ended by `close`."""

    def __init__(self, seconds: float = PARSE_SECONDS) -> None:
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def read(self, body: bytes, url: str, charset: str = "") -> Feed:
        """Raises TimeoutError for what cannot be read in time, Unavailable for what cannot be read.

        Relative links are resolved against `url` where it is given; `charset` is what the server said.
        """
        if not body.strip():
            raise Unavailable("The feed is empty.")
        async with self._turn:
            process = await self._started()
            try:
                answer = await asyncio.wait_for(_ask(process, Request(body, url, charset)), self._seconds)
                return msgspec.msgpack.decode(answer, type=Feed)
            except (TimeoutError, asyncio.CancelledError):
                await self._kill()
                raise
            except (OSError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
                await self._kill()
                raise Unavailable("The feed cannot be read: it takes too much memory, or is malformed.") from error

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "connections.feeds"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        return self._process

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def close(self) -> None:
        await self._kill()


async def _ask(process: asyncio.subprocess.Process, request: Request) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise OSError("the process has no pipes")
    message = msgspec.msgpack.encode(request)
    process.stdin.write(len(message).to_bytes(4, "big") + message)
    await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(4), "big")
    return await process.stdout.readexactly(size)


def serve() -> None:
    """The process: reads requests and writes feeds until its input ends."""
    _limit_memory()
    while header := sys.stdin.buffer.read(4):
        message = sys.stdin.buffer.read(int.from_bytes(header, "big"))
        request = msgspec.msgpack.decode(message, type=Request)
        answer = msgspec.msgpack.encode(parse_feed(request.body, request.url, request.charset))
        sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
        sys.stdout.buffer.flush()


def _limit_memory() -> None:
    with suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def parse_feed(body: bytes, url: str, charset: str = "") -> Feed:
    """Without any limit of time: only for the process, and for tests."""
    import feedparser

    try:
        parsed = feedparser.parse(
            prepare(body, charset),
            response_headers={"content-location": url} if url else {},
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except (ValueError, RecursionError, LookupError, AssertionError):
        return Feed(is_feed=False)
    if not parsed.get("version") and not parsed.entries:
        return Feed(is_feed=False)
    entries = tuple(to_entry(entry) for entry in parsed.entries[:MAX_ENTRIES])
    feed = parsed.feed
    return Feed(title=_plain(feed, "title"), language=_safe(feed.get("language") or ""), entries=entries)


def prepare(body: bytes, charset: str = "") -> bytes:
    """A feed that is UTF-8, but for single bytes, as UTF-8; halves of emoji joined; names cut."""
    body = _LONE_HALF.sub(b"&#65533;", _HALVES.sub(_join_halves, _PERSON.sub(rb"\1", body)))
    declared = _ENCODING.match(body)
    encoding = charset or (declared[1].decode() if declared else "utf-8")
    is_utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8") and not body.startswith(
        (b"\xff\xfe", b"\xfe\xff")
    )
    if is_utf8 and (charset or declared):
        body = body.decode("utf-8-sig", errors="replace").encode()
    return body


def _join_halves(match: re.Match[bytes]) -> bytes:
    return resolve_entities(match[0].decode()).encode(errors="replace") if _is_pair(match[0]) else match[0]


def _is_pair(references: bytes) -> bool:
    numbers = [int(part[1:], 16) if part[:1] in "xX" else int(part) for part in references.decode()[2:-1].split(";&#")]
    return 0xD800 <= numbers[0] < 0xDC00 <= numbers[1] < 0xE000


def to_entry(entry: Any) -> Entry:
    content = next((part for part in entry.get("content", ()) if part.get("value")), None)
    content = content or entry.get("summary_detail") or {}
    value = content.get("value") or entry.get("summary") or ""
    return Entry(
        guid=_safe(entry.get("id") or ""),
        link=_safe(entry.get("link") or ""),
        title=_plain(entry, "title"),
        body=_text(value, content.get("type", "text/html")),
        html=_safe(value)[:200_000],
        author=html_to_text(_safe(entry.get("author") or "")),
        published=_published(entry),
    )


def _plain(entry: Any, field: str) -> str:
    detail = entry.get(f"{field}_detail") or {}
    return _text(entry.get(field) or "", detail.get("type", "text/html"))


def _text(value: str, content_type: str) -> str:
    """Plain text is not read as HTML once more: `I <3 you` keeps its heart."""
    value = _safe(value)
    return value.strip() if content_type == "text/plain" else html_to_text(value)


def _safe(value: object) -> str:
    return str(value).encode(errors="replace").decode()


def _published(entry: Any) -> datetime | None:
    """feedparser returns nine numbers in UTC; what it cannot read may be a date in words."""
    for field in ("published", "updated", "created"):
        parsed = entry.get(f"{field}_parsed")
        with suppress(OverflowError, ValueError, OSError, TypeError):
            if parsed:
                return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
        if written := entry.get(field):
            return date_in_words(str(written))
    return None


_NUMBERS: Final = re.compile(r"\b(\d{1,2})[./-](\d{1,2})[./-](\d{4})\b")
_WORDS: Final = re.compile(r"\b(\d{1,2})\.?\s+(?:de\s+)?([^\W\d_]{3,12})\.?\s+(?:de\s+)?(\d{4})\b")
_CLOCK: Final = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)")
_LANGUAGES: Final = ("it", "ro", "fr", "es", "de", "pt", "en")


def date_in_words(written: str) -> datetime | None:
    """`dom, 02 ott 2022 18:55`, `2 octombrie 2022`, `02/10/2022` (the day first); UTC, None where it cannot be read."""
    written = written[:100].casefold()
    month: int | None
    if numbers := _NUMBERS.search(written):
        day, month, year = (int(part) for part in numbers.groups())
    elif words := _WORDS.search(written):
        day, month, year = int(words[1]), _months().get(words[2][:4]) or _months().get(words[2][:3]), int(words[3])
    else:
        return None
    clock = _CLOCK.search(written)
    try:
        hour, minute = (int(clock[1]), int(clock[2])) if clock else (0, 0)
        return datetime(year, month or 0, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None


def _months() -> dict[str, int]:
    """The first three and four letters of each month's name in each language."""
    from babel.dates import get_month_names

    names: dict[str, int] = {}
    for language in _LANGUAGES:
        for number, name in get_month_names("wide", locale=language).items():
            for length in (3, 4):
                names.setdefault(name.casefold()[:length], number)
    return names


if __name__ == "__main__":
    serve()
