"""Everything outside the house, in a file of its own that outlives a kill -9: what people post, what was said under it, what
stands in the chats, what managers have clicked and typed, and the time.

The chats refuse what goes beyond their documented limits, are away for minutes at a time, and tell clicks twice.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, TypeVar, cast

import msgspec

from models.capabilities import Capabilities
from models.desk import Action
from models.errors import Rejected, Unavailable, Uncertain
from models.post import Heard, Post, PostAuthor
from models.reply import Address, Found, Outgoing
from triage.boards import Pace

T = TypeVar("T")
LIMITS: Final = {"slack": Pace(5, 5.0), "telegram": Pace(20, 60.0), "discord": Pace(5, 5.0)}
"""Messages that one chat takes: 1 a second in a Slack channel, 20 a minute in a Telegram group, 5 in 5 s on Discord.

https://docs.slack.dev/apis/web-api/rate-limits, https://core.telegram.org/bots/faq#broadcasting-to-users,
https://discord.com/developers/docs/topics/rate-limits"""
TABLES: Final = """
CREATE TABLE IF NOT EXISTS clock (now REAL);
CREATE TABLE IF NOT EXISTS post (number INTEGER PRIMARY KEY, author TEXT, text TEXT, language TEXT, at REAL);
CREATE TABLE IF NOT EXISTS said (number INTEGER PRIMARY KEY, key TEXT, under TEXT, text TEXT, at REAL);
CREATE TABLE IF NOT EXISTS message (address INTEGER PRIMARY KEY, desk TEXT, chat TEXT, subject TEXT, subject_id INTEGER,
  revision INTEGER, buttons TEXT, at REAL);
CREATE TABLE IF NOT EXISTS traffic (desk TEXT, chat TEXT, at REAL, refused INTEGER);
CREATE INDEX IF NOT EXISTS ix_traffic ON traffic (desk, chat, at);
CREATE TABLE IF NOT EXISTS click (number INTEGER PRIMARY KEY, desk TEXT, action TEXT, at REAL, told INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS ix_click ON click (told, desk);
CREATE TABLE IF NOT EXISTS person (slug TEXT PRIMARY KEY, mind TEXT);
CREATE TABLE IF NOT EXISTS tally (name TEXT PRIMARY KEY, count INTEGER);
CREATE TABLE IF NOT EXISTS outage (desk TEXT, began REAL, ends REAL);
"""


class Message(msgspec.Struct, frozen=True):
    """A card as it stands in a chat, perhaps long after it was true."""

    address: int
    desk: str
    chat: str
    subject: str
    case: int
    revision: int
    buttons: tuple[str, ...]


class Far:
    def __init__(self, path: Path) -> None:
        # Not synchronous: what is written outlives the process, which is all that is killed here.
        self._file = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._file.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + TABLES)

    def close(self) -> None:
        self._file.close()

    def run(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._file.execute(statement, values)

    def rows(self, statement: str, *values: object) -> list[Any]:
        return self._file.execute(statement, values).fetchall()

    def one(self, statement: str, *values: object) -> Any:
        row = self._file.execute(statement, values).fetchone()
        return row[0] if row else None

    @property
    def now(self) -> datetime | None:
        seconds = self.one("SELECT now FROM clock")
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def set_clock(self, now: datetime) -> None:
        self.run("DELETE FROM clock")
        self.run("INSERT INTO clock VALUES (?)", now.timestamp())

    def count(self, name: str, more: int = 1) -> None:
        self.run("INSERT INTO tally VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + ?", name, more, more)

    def tally(self) -> dict[str, int]:
        return dict(self.rows("SELECT name, count FROM tally ORDER BY name"))

    def mind(self, slug: str, kind: type[T]) -> T:
        kept = self.one("SELECT mind FROM person WHERE slug = ?", slug)
        return msgspec.json.decode(kept, type=kind) if kept else kind()

    def keep_mind(self, slug: str, mind: object) -> None:
        self.run("INSERT OR REPLACE INTO person VALUES (?, ?)", slug, msgspec.json.encode(mind).decode())

    def post(self, author: str, text: str, language: str, now: datetime) -> None:
        self.run(
            "INSERT INTO post (author, text, language, at) VALUES (?, ?, ?, ?)", author, text, language, now.timestamp()
        )

    def messages(self, desk: str, subject: str, button: str, limit: int, *, newest: bool = True) -> list[Message]:
        """Those about `subject` that show a button."""
        rows = self.rows(
            "SELECT address, desk, chat, subject, subject_id, revision, buttons FROM message"
            " WHERE desk = ? AND subject = ? AND buttons LIKE ? ORDER BY at * ? LIMIT ?",
            desk, subject, f"%|{button}|%", -1 if newest else 1, limit,
        )  # fmt: skip
        return [Message(*row, tuple(buttons.strip("|").split("|"))) for *row, buttons in rows]  # type: ignore[call-arg]

    def click(self, desk: str, action: Action, now: datetime) -> None:
        text = msgspec.json.encode(action).decode()
        self.run("INSERT INTO click (desk, action, at) VALUES (?, ?, ?)", desk, text, now.timestamp())

    def clicks(self, desk: str) -> list[tuple[int, Action]]:
        rows = self.rows("SELECT number, action FROM click WHERE told = 0 AND desk = ? ORDER BY number", desk)
        return [(number, msgspec.json.decode(action, type=Action)) for number, action in rows]

    def told(self, numbers: Sequence[int]) -> None:
        self._file.executemany("UPDATE click SET told = 1 WHERE number = ?", [(number,) for number in numbers])

    def is_away(self, desk: str, now: datetime) -> bool:
        at = now.timestamp()
        return bool(self.one("SELECT 1 FROM outage WHERE desk = ? AND began <= ? AND ends > ?", desk, at, at))

    def take(self, desk: str, chat: str, now: datetime) -> None:
        """Counts a call to a chat; raises Unavailable where the chat is away or has had enough."""
        at, pace = now.timestamp(), LIMITS[desk]
        if self.is_away(desk, now):
            raise Unavailable(f"{desk} is away")
        since = at - pace.seconds
        lately = self.one(
            "SELECT COUNT(*) FROM traffic WHERE desk = ? AND chat = ? AND at > ? AND refused = 0", desk, chat, since
        )
        refused = lately >= pace.most
        self.run("INSERT INTO traffic VALUES (?, ?, ?, ?)", desk, chat, at, int(refused))
        if refused:
            raise Unavailable(f"{desk}: too many messages", retry_after=pace.seconds)

    def draw(self, shown: Message, now: datetime) -> int:
        buttons, at = "|" + "|".join(shown.buttons) + "|", now.timestamp()
        if shown.address:
            self.run(
                "UPDATE message SET revision = ?, buttons = ?, at = ? WHERE address = ?",
                shown.revision, buttons, at, shown.address,
            )  # fmt: skip
            return shown.address
        made = self.run(
            "INSERT INTO message (desk, chat, subject, subject_id, revision, buttons, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            shown.desk, shown.chat, shown.subject, shown.case, shown.revision, buttons, at,
        )  # fmt: skip
        return cast("int", made.lastrowid)


class FarEar:
    """Hears what people post, from the bookmark on."""

    name = platform = "square"

    def __init__(self, far: Far) -> None:
        self._far = far

    def heard(self, bookmark: str | None, chance: Random) -> Heard | None:
        after = int(bookmark or 0)
        if chance.random() < 0.05:
            after = max(after - 5, 0)  # some are told again
        rows = self._far.rows(
            "SELECT number, author, text, language, at FROM post WHERE number > ? ORDER BY number LIMIT 200", after
        )
        if not rows or rows[-1][0] == int(bookmark or 0):
            return None
        posts = (
            Post(
                platform="square", native_id=f"p{number}", author=PostAuthor(handle=author), text=text, language=language,
                url=f"http://square.example/p{number}", created_at=datetime.fromtimestamp(at, UTC),
            )
            for number, author, text, language, at in rows
        )  # fmt: skip
        return Heard(bookmark=str(rows[-1][0]), posts=tuple(posts))


class FarVoice:
    """Publishes under posts; sometimes it is away, and sometimes it breaks off, having published or not."""

    name = "square"
    capabilities = Capabilities(reply=True, longest=500, find=True)

    def __init__(self, far: Far, chance: Random, away: float = 0.02, cut: float = 0.02) -> None:
        self._far, self._chance, self._away, self._cut = far, chance, away, cut
        self.now = datetime.now(UTC)

    async def publish(self, reply: Outgoing) -> Address:
        dice = self._chance.random()
        if dice < self._away:
            raise Unavailable("the square is away", retry_after=20)
        if dice < self._away + self._cut:
            if self._chance.random() < 0.5:
                self._say(reply)
            self._far.count("publishing cut off")
            raise Uncertain("the line broke")
        if dice > 0.995:
            raise Rejected("the author has blocked us")
        return self._say(reply)

    async def find(self, reply: Outgoing) -> Found:
        number = self._far.one("SELECT number FROM said WHERE key = ?", reply.key)
        return Address(native_id=f"r{number}", url=f"http://square.example/r{number}") if number else "none"

    def _say(self, reply: Outgoing) -> Address:
        made = self._far.run(
            "INSERT INTO said (key, under, text, at) VALUES (?, ?, ?, ?)",
            reply.key, reply.under, reply.text, self.now.timestamp(),
        )  # fmt: skip
        return Address(native_id=f"r{made.lastrowid}", url=f"http://square.example/r{made.lastrowid}")


def outages(chance: Random, begin: datetime, hours: float) -> list[tuple[str, datetime, datetime]]:
    """When each chat is away: once in two hours or so, for one to six minutes."""
    found: list[tuple[str, datetime, datetime]] = []
    desk: Literal["slack", "telegram", "discord"]
    for desk in ("slack", "telegram", "discord"):
        for _ in range(max(1, round(hours / 2))):
            began = begin + timedelta(hours=hours * chance.random())
            found.append((desk, began, began + timedelta(seconds=chance.uniform(60, 360))))
    return found
