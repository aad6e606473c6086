"""Mentions as other tools export them: what `ascolto import` reads and what the webhook takes.

    {"platform": "x", "id": "1", "url": "https://…", "author": {"handle": "ana", "name": "Ana", "followers": 12},
     "text": "…", "created_at": "2026-11-21T10:00:00+01:00", "language": "it", "thread": "0", "metrics": {"likes": 3}}

`platform`, `id`, `author.handle`, `text` and `created_at` are needed; other fields are ignored.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from models.post import Origin, Post, PostAuthor
from models.text import clean, web_address

MAX_ID: Final = 500
MAX_PLATFORM: Final = 60
MAX_TEXT: Final = 1_000_000
"""Characters of a text that are read at all; what is kept of it is less (models.text.MAX_TEXT)."""
MOST: Final = 2**53
"""The largest whole number that every program reads alike."""
FIRST: Final = datetime(1990, 1, 1, tzinfo=UTC)
"""Before there was a web, nothing was said on it."""
AHEAD: Final = timedelta(days=1)
"""How far in the future a post may claim to be: clocks differ, calendars do not."""


class ExportedAuthor(msgspec.Struct, kw_only=True):
    handle: str
    id: str | int = ""
    name: str | None = None
    followers: int | None = None
    url: str | None = None


class Exported(msgspec.Struct, kw_only=True):
    id: str | int
    author: ExportedAuthor
    text: str
    created_at: str | int | float
    """ISO 8601, UTC where it names no zone; or seconds since 1970."""
    platform: str = ""
    url: str | None = None
    language: str | None = None
    thread: str | int | None = None
    parent: str | int | None = None
    metrics: dict[str, Any] | None = None


TOO_DEEP: Final = "it is nested too deeply"
_PLAIN_COLUMNS: Final = ("platform", "id", "url", "text", "created_at", "language", "thread", "parent")
_SECONDS: Final = re.compile(r"\d{9,11}(\.\d+)?")
_decoder = msgspec.json.Decoder(Exported)


def from_json(line: bytes, now: datetime, origin: Origin, platform: str = "") -> Post:
    """One JSON object; raises ValueError with the reason."""
    try:
        return to_post(_decoder.decode(line), now, origin, platform)
    except UnicodeDecodeError as error:
        raise ValueError("this is not UTF-8") from error
    except msgspec.DecodeError as error:
        raise ValueError(_plain_reason(error)) from error
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error


def from_columns(row: Mapping[str, str | None], now: datetime, origin: Origin, platform: str = "") -> Post:
    """One row of a CSV file, with the author's fields as `author`, `author_name`, `author_followers` (or `author.name` …)."""
    flat = {name.strip().lower().replace(".", "_"): value.strip() for name, value in row.items() if name and value}
    author = {field: flat.get(f"author_{field}") for field in ("handle", "id", "name", "followers", "url")}
    author["handle"] = author["handle"] or flat.get("author")
    metrics = {
        name.removeprefix("metrics_"): int(value)
        for name, value in flat.items()
        if name.startswith("metrics_") and value.isdigit()
    }
    fields: dict[str, Any] = {name: flat[name] for name in _PLAIN_COLUMNS if name in flat}
    fields["author"] = {name: value for name, value in author.items() if value is not None}
    fields["metrics"] = metrics
    try:
        exported = msgspec.convert(fields, Exported, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(_plain_reason(error)) from error
    return to_post(exported, now, origin, platform)


def to_post(exported: Exported, now: datetime, origin: Origin, platform: str = "") -> Post:
    """Our noun, or ValueError with the reason."""
    native_id, text = str(exported.id).strip(), exported.text
    created_at = _moment(exported.created_at)
    url = (exported.url or "").strip()
    followers = exported.author.followers
    for wrong, reason in (
        (not native_id or len(native_id) > MAX_ID, f"the id is empty or longer than {MAX_ID} characters"),
        (not text.strip(), "the text is empty"),
        (len(text) > MAX_TEXT, f"the text is longer than {MAX_TEXT} characters"),
        (not exported.author.handle.strip(), "the author has no handle"),
        (not (exported.platform or platform), "the platform is missing"),
        (created_at > now + AHEAD, "created_at is in the future"),
        (created_at < FIRST, "created_at is before there was a web"),
        (bool(url) and not web_address(url), "the url is not http or https"),
        (followers is not None and followers < 0, "followers is negative"),
        (followers is not None and followers > MOST, "followers is too large a number"),
    ):
        if wrong:
            raise ValueError(reason)
    return Post(
        platform=clean(exported.platform or platform, MAX_PLATFORM).lower(),
        native_id=native_id,
        url=url,
        author=PostAuthor(
            handle=exported.author.handle.strip().lstrip("@"),
            native_id=str(exported.author.id),
            name=exported.author.name or "",
            followers=followers,
            url=exported.author.url or "",
        ),
        text=text,
        language=exported.language,
        thread=str(exported.thread or native_id),
        parent=None if exported.parent is None else str(exported.parent),
        created_at=created_at,
        origin=origin,
        metrics={name: value for name, value in (exported.metrics or {}).items() if isinstance(value, int)},
    )


def _moment(said: str | float) -> datetime:
    try:
        if isinstance(said, str) and not _SECONDS.fullmatch(said.strip()):
            moment = datetime.fromisoformat(said.strip())
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return datetime.fromtimestamp(float(said), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("created_at is not a time like 2026-11-21T10:00:00Z") from error


def _plain_reason(error: Exception) -> str:
    """msgspec's words without its notation: "Object missing required field `text`" stays, " - at `$.author`" goes in front."""
    said, _, place = str(error).partition(" - at ")
    where = place.strip("`").removeprefix("$").lstrip(".")
    return f"{where}: {said}" if where else said
