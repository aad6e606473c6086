"""Mentions as other tools export them: the format of `ascolto import`, `ascolto export` and webhooks.

    {"platform": "x", "id": "1", "url": "https://…", "author": {"handle": "ana", "name": "Ana", "followers": 12},
     "text": "…", "created_at": "2026-11-21T10:00:00+01:00", "language": "it", "thread": "0", "metrics": {"likes": 3}}

`platform`, `id`, `author.handle`, `text` and `created_at` are required; unknown fields are ignored.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from models.incoming import EARLIEST, MAX_NUMBER, IncomingAuthor, IncomingPost, Origin
from models.language_tags import language_code
from models.text import clean, safe_url

MAX_ID: Final = 500
MAX_PLATFORM: Final = 60
MAX_TEXT: Final = 1_000_000
"""Characters of a text that are read at all; less of it is stored (models.text.MAX_TEXT)."""
MAX_AHEAD: Final = timedelta(days=1)
"""How far in the future a post may claim to be: clocks differ, calendars do not."""


class AuthorRecord(msgspec.Struct, kw_only=True):
    handle: str
    id: str | int = ""
    name: str | None = None
    followers: int | None = None
    url: str | None = None


class MentionRecord(msgspec.Struct, kw_only=True):
    id: str | int
    author: AuthorRecord
    text: str
    created_at: str | int | float
    """ISO 8601, UTC where it has no zone; or seconds since 1970."""
    platform: str = ""
    url: str | None = None
    language: str | None = None
    thread: str | int | None = None
    parent: str | int | None = None
    metrics: dict[str, Any] | None = None


NESTED_TOO_DEEPLY: Final = "it is nested too deeply"
_PLAIN_COLUMNS: Final = ("platform", "id", "url", "text", "created_at", "language", "thread", "parent")
_SECONDS: Final = re.compile(r"\d{9,11}(\.\d+)?")
_SHORTENED: Final = re.compile(r"\d+(?:[.,]\d+)?[eE]\+?\d+")
"""A long number as spreadsheets show it: posts with different ids would become one."""
_decoder = msgspec.json.Decoder(MentionRecord)


def from_json(line: bytes, now: datetime, origin: Origin, platform: str = "") -> IncomingPost:
    """One JSON object; raises ValueError with the reason."""
    try:
        return to_post(_decoder.decode(line), now, origin, platform)
    except UnicodeDecodeError as error:
        raise ValueError("this is not UTF-8") from error
    except msgspec.DecodeError as error:
        raise ValueError(_readable_error(error)) from error
    except RecursionError as error:
        raise ValueError(NESTED_TOO_DEEPLY) from error


def from_columns(row: Mapping[str, str | None], now: datetime, origin: Origin, platform: str = "") -> IncomingPost:
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
        record = msgspec.convert(fields, MentionRecord, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(_readable_error(error)) from error
    return to_post(record, now, origin, platform)


def to_post(record: MentionRecord, now: datetime, origin: Origin, platform: str = "") -> IncomingPost:
    """Raises ValueError with the reason."""
    native_id, text = str(record.id).strip(), record.text
    created_at = _moment(record.created_at)
    url = (record.url or "").strip()
    followers = record.author.followers
    for number in (record.id, record.thread, record.parent):
        if isinstance(number, str) and _SHORTENED.fullmatch(number.strip()):
            raise ValueError(f"the id {number.strip()} was shortened by a spreadsheet")
    for invalid, reason in (
        (not native_id or len(native_id) > MAX_ID, f"the id is empty or longer than {MAX_ID} characters"),
        (not text.strip(), "the text is empty"),
        (len(text) > MAX_TEXT, f"the text is longer than {MAX_TEXT} characters"),
        (not record.author.handle.strip(), "the author has no handle"),
        (not (record.platform or platform), "the platform is missing"),
        (created_at > now + MAX_AHEAD, "created_at is in the future"),
        (created_at < EARLIEST, "created_at is before 1990"),
        (bool(url) and not safe_url(url), "the url is not http or https"),
        (followers is not None and followers < 0, "followers is negative"),
        (followers is not None and followers > MAX_NUMBER, "followers is too large a number"),
    ):
        if invalid:
            raise ValueError(reason)
    return IncomingPost(
        platform=clean(record.platform or platform, MAX_PLATFORM).lower(),
        native_id=native_id,
        url=url,
        author=IncomingAuthor(
            handle=record.author.handle.strip().lstrip("@"),
            native_id=str(record.author.id),
            name=record.author.name or "",
            followers=followers,
            url=record.author.url or "",
        ),
        text=text,
        language=language_code(record.language),
        thread=str(record.thread or native_id),
        parent=None if record.parent is None else str(record.parent),
        created_at=created_at,
        origin=origin,
        metrics={name: value for name, value in (record.metrics or {}).items() if isinstance(value, int)},
    )


def _moment(value: str | float) -> datetime:
    try:
        if isinstance(value, str) and not _SECONDS.fullmatch(value.strip()):
            moment = datetime.fromisoformat(value.strip())
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("created_at is not a time like 2026-11-21T10:00:00Z") from error


def _readable_error(error: Exception) -> str:
    """msgspec's message without its notation: "Object missing required field `text`" stays, " - at `$.author`" goes in front."""
    message, _, path = str(error).partition(" - at ")
    field = path.strip("`").removeprefix("$").lstrip(".")
    return f"{field}: {message}" if field else message
