"""The demo's day, read from story.txt."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

FOLDER: Final = Path(__file__).parent
BRAND: Final = FOLDER / "vialunga.toml"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`at` counts from midnight, or from our reply to the post that `after_reply_to` names. `replay` delivers that many posts
    again. `sentiment` ("+", "0" or "-") is the true one."""

    at: timedelta
    id: str
    kind: str
    parent: str = ""
    after_reply_to: str = ""
    author: str = ""
    followers: int = 0
    language: str = ""
    sentiment: str = ""
    text: str = ""
    replay: int = 0


def read(file: Path = FOLDER / "story.txt") -> list[Event]:
    """All events in order; those that wait for a reply of ours at the end."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return sorted(map(_event, lines), key=lambda event: (bool(event.after_reply_to), event.at))


def _event(line: str) -> Event:
    at, name, parent, author, followers, language, sentiment, text = line.split("|", 7)
    if name.startswith("replay "):
        return Event(at=_time(at), id=name, kind="replay", replay=int(name.split()[1]))
    kind = {"=": "edit", "-": "deletion"}.get(name[0], "post")
    return Event(
        at=_time(at),
        id=name.lstrip("=-"),
        kind=kind,
        parent="" if parent.startswith("^") else parent,
        after_reply_to=parent[1:] if parent.startswith("^") else "",
        author=author,
        followers=int(followers or 0),
        language=language,
        sentiment=sentiment,
        text=text,
    )


def _time(text: str) -> timedelta:
    if text.startswith("+"):
        return timedelta(minutes=int(text[1:]))
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))
