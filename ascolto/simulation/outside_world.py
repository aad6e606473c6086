"""Everything outside the program, in a database of its own that survives a kill -9: posts, public replies, the messages in
chats, what managers clicked and typed, and the time.

The chats refuse what exceeds their documented limits, are down for minutes at a time, and deliver some clicks twice.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, TypeVar, cast

import msgspec

from cards.card_sync import RateLimit
from models.capabilities import Capabilities
from models.errors import Rejected, Unavailable, Uncertain
from models.incoming import IncomingAuthor, IncomingPost, ListenerBatch
from models.outgoing import Address, LookupResult, Outgoing
from models.tables.action import Action

T = TypeVar("T")
LIMITS: Final = {"slack": RateLimit(5, 5.0), "telegram": RateLimit(20, 60.0), "discord": RateLimit(5, 5.0)}
"""Messages that one chat takes: 1 a second in a Slack channel, 20 a minute in a Telegram group, 5 in 5 s on Discord.

https://docs.slack.dev/apis/web-api/rate-limits, https://core.telegram.org/bots/faq#broadcasting-to-users,
https://discord.com/developers/docs/topics/rate-limits"""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS clock (now REAL);
CREATE TABLE IF NOT EXISTS post (number INTEGER PRIMARY KEY, author TEXT, text TEXT, language TEXT, at REAL);
CREATE TABLE IF NOT EXISTS reply (number INTEGER PRIMARY KEY, key TEXT, in_reply_to TEXT, text TEXT, at REAL);
CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, desk TEXT, chat TEXT, subject TEXT, subject_id INTEGER,
  revision INTEGER, buttons TEXT, at REAL);
CREATE TABLE IF NOT EXISTS traffic (desk TEXT, chat TEXT, at REAL, refused INTEGER);
CREATE INDEX IF NOT EXISTS ix_traffic ON traffic (desk, chat, at);
CREATE TABLE IF NOT EXISTS click (number INTEGER PRIMARY KEY, desk TEXT, action TEXT, at REAL, delivered INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS ix_click ON click (delivered, desk);
CREATE TABLE IF NOT EXISTS person (slug TEXT PRIMARY KEY, memory TEXT);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, count INTEGER);
CREATE TABLE IF NOT EXISTS outage (desk TEXT, starts REAL, ends REAL);
"""


class Message(msgspec.Struct, frozen=True):
    """A card in a chat, which may be outdated."""

    id: int
    desk: str
    chat: str
    subject: str
    case: int
    revision: int
    buttons: tuple[str, ...]


class OutsideWorld:
    def __init__(self, path: Path) -> None:
        # Not synchronous: what was written survives the process, which is all that is killed here.
        self._database = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + SCHEMA)

    def close(self) -> None:
        self._database.close()

    def run(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._database.execute(statement, values)

    def rows(self, statement: str, *values: object) -> list[Any]:
        return self._database.execute(statement, values).fetchall()

    def one(self, statement: str, *values: object) -> Any:
        row = self._database.execute(statement, values).fetchone()
        return row[0] if row else None

    @property
    def now(self) -> datetime | None:
        seconds = self.one("SELECT now FROM clock")
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def set_clock(self, now: datetime) -> None:
        self.run("DELETE FROM clock")
        self.run("INSERT INTO clock VALUES (?)", now.timestamp())

    def count(self, name: str, more: int = 1) -> None:
        upsert = "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + ?"
        self.run(upsert, name, more, more)

    def counts(self) -> dict[str, int]:
        return dict(self.rows("SELECT name, count FROM counter ORDER BY name"))

    def memory(self, slug: str, kind: type[T]) -> T:
        saved = self.one("SELECT memory FROM person WHERE slug = ?", slug)
        return msgspec.json.decode(saved, type=kind) if saved else kind()

    def save_memory(self, slug: str, memory: object) -> None:
        self.run("INSERT OR REPLACE INTO person VALUES (?, ?)", slug, msgspec.json.encode(memory).decode())

    def post(self, author: str, text: str, language: str, now: datetime) -> None:
        self.run(
            "INSERT INTO post (author, text, language, at) VALUES (?, ?, ?, ?)", author, text, language, now.timestamp()
        )

    def messages(self, desk: str, subject: str, button: str, limit: int, *, newest: bool = True) -> list[Message]:
        """Those about `subject` that show a button."""
        rows = self.rows(
            "SELECT id, desk, chat, subject, subject_id, revision, buttons FROM message"
            " WHERE desk = ? AND subject = ? AND buttons LIKE ? ORDER BY at * ? LIMIT ?",
            desk, subject, f"%|{button}|%", -1 if newest else 1, limit,
        )  # fmt: skip
        return [Message(*row, tuple(buttons.strip("|").split("|"))) for *row, buttons in rows]  # type: ignore[call-arg]

    def click(self, desk: str, action: Action, now: datetime) -> None:
        text = msgspec.json.encode(action).decode()
        self.run("INSERT INTO click (desk, action, at) VALUES (?, ?, ?)", desk, text, now.timestamp())

    def clicks(self, desk: str) -> list[tuple[int, Action]]:
        """Those still to be delivered."""
        rows = self.rows("SELECT number, action FROM click WHERE delivered = 0 AND desk = ? ORDER BY number", desk)
        return [(number, msgspec.json.decode(action, type=Action)) for number, action in rows]

    def mark_delivered(self, numbers: Sequence[int]) -> None:
        self._database.executemany("UPDATE click SET delivered = 1 WHERE number = ?", [(number,) for number in numbers])

    def is_down(self, desk: str, now: datetime) -> bool:
        at = now.timestamp()
        return bool(self.one("SELECT 1 FROM outage WHERE desk = ? AND starts <= ? AND ends > ?", desk, at, at))

    def call(self, desk: str, chat: str, now: datetime) -> None:
        """Counts a call to a chat; raises Unavailable where the chat is down or its limit is reached."""
        at, limit = now.timestamp(), LIMITS[desk]
        if self.is_down(desk, now):
            raise Unavailable(f"{desk} is down")
        since = at - limit.seconds
        recent = self.one(
            "SELECT COUNT(*) FROM traffic WHERE desk = ? AND chat = ? AND at > ? AND refused = 0", desk, chat, since
        )
        refused = recent >= limit.messages
        self.run("INSERT INTO traffic VALUES (?, ?, ?, ?)", desk, chat, at, int(refused))
        if refused:
            raise Unavailable(f"{desk}: too many messages", retry_after=limit.seconds)

    def show(self, message: Message, now: datetime) -> int:
        """Updates a message, or posts a new one where its id is 0; returns its id."""
        buttons, at = "|" + "|".join(message.buttons) + "|", now.timestamp()
        if message.id:
            self.run(
                "UPDATE message SET revision = ?, buttons = ?, at = ? WHERE id = ?",
                message.revision, buttons, at, message.id,
            )  # fmt: skip
            return message.id
        inserted = self.run(
            "INSERT INTO message (desk, chat, subject, subject_id, revision, buttons, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            message.desk, message.chat, message.subject, message.case, message.revision, buttons, at,
        )  # fmt: skip
        return cast("int", inserted.lastrowid)


class SimulatedListener:
    """Receives what people post, from the cursor on."""

    name = platform = "square"

    def __init__(self, outside: OutsideWorld) -> None:
        self._outside = outside

    def receive(self, cursor: str | None, rng: Random) -> ListenerBatch | None:
        after = int(cursor or 0)
        if rng.random() < 0.05:
            after = max(after - 5, 0)  # some are delivered again
        rows = self._outside.rows(
            "SELECT number, author, text, language, at FROM post WHERE number > ? ORDER BY number LIMIT 200", after
        )
        if not rows or rows[-1][0] == int(cursor or 0):
            return None
        posts = (
            IncomingPost(
                platform="square", native_id=f"p{number}", author=IncomingAuthor(handle=author), text=text, language=language,
                url=f"http://square.example/p{number}", created_at=datetime.fromtimestamp(at, UTC),
            )
            for number, author, text, language, at in rows
        )  # fmt: skip
        return ListenerBatch(cursor=str(rows[-1][0]), posts=tuple(posts))


class SimulatedResponder:
    """Publishes replies; sometimes it is down, and sometimes the call is interrupted, before or after publishing."""

    name = "square"
    capabilities = Capabilities(max_length=500)

    def __init__(self, outside: OutsideWorld, rng: Random, down: float = 0.02, interrupted: float = 0.02) -> None:
        """`down` and `interrupted` are probabilities."""
        self._outside, self._rng, self._down, self._interrupted = outside, rng, down, interrupted
        self.now = datetime.now(UTC)

    async def publish(self, reply: Outgoing) -> Address:
        roll = self._rng.random()
        if roll < self._down:
            raise Unavailable("the square is down", retry_after=20)
        if roll < self._down + self._interrupted:
            if self._rng.random() < 0.5:
                self._post(reply)
            self._outside.count("calls interrupted")
            raise Uncertain("the connection was lost")
        if roll > 0.995:
            raise Rejected("the author has blocked us")
        return self._post(reply)

    async def find(self, reply: Outgoing) -> LookupResult:
        number = self._outside.one("SELECT number FROM reply WHERE key = ?", reply.key)
        return _address(number) if number else "none"

    def _post(self, reply: Outgoing) -> Address:
        inserted = self._outside.run(
            "INSERT INTO reply (key, in_reply_to, text, at) VALUES (?, ?, ?, ?)",
            reply.key, reply.in_reply_to, reply.text, self.now.timestamp(),
        )  # fmt: skip
        return _address(cast("int", inserted.lastrowid))


def _address(number: int) -> Address:
    return Address(native_id=f"r{number}", url=f"http://square.example/r{number}")


def outages(rng: Random, start: datetime, hours: float) -> list[tuple[str, datetime, datetime]]:
    """When each chat is down: about every two hours, for one to six minutes."""
    desk: Literal["slack", "telegram", "discord"]
    result: list[tuple[str, datetime, datetime]] = []
    for desk in ("slack", "telegram", "discord"):
        for _ in range(max(1, round(hours / 2))):
            starts = start + timedelta(hours=hours * rng.random())
            result.append((desk, starts, starts + timedelta(seconds=rng.uniform(60, 360))))
    return result
