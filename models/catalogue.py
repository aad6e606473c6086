"""Brands, queues, members and saved replies: rows that members change without a restart.

Each has a stable slug and a spec; the spec is at once the row's content and what `ascolto apply FILE` reads. A Catalogue
is all of them at one moment, never changed once made, so that a bad edit never replaces the last good one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from functools import cached_property
from typing import Annotated, Generic, Literal, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from models import saved_reply
from models.base import Base, Id, Structured, When
from models.query import QueryError, parse

Slug = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
LanguageCode = Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}$")]
Role = Literal["manager", "approver", "lead", "admin"]
ROLES: tuple[Role, ...] = ("manager", "approver", "lead", "admin")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERYONE = "everyone"
"""In a queue's chain: the whole team."""
HOLDER, ON_CALL, LEAD = "holder", "on-call", "lead"
"""In a queue's chain: who holds the case, the next of the rota who is there, the leads of the team."""
STEPS = (EVERYONE, HOLDER, ON_CALL, LEAD)


class BrandQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    slug: Slug
    text: str


class Topic(BrandQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a mention is about: its words are a query too, tested on the mentions of this brand only."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is true of a brand, and may be said in its name: "refunds", "within 14 days, to the card paid with"."""

    name: str
    text: str


class Brand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client whose name we listen for.

    `own` lists the brand's own handles per platform, whose posts are never mentions; `links` the domains it may point
    to; `publish` which connection speaks for it on a platform; `signature` ends a reply; `facts` are what a language model
    may draft from, where one is asked.
    """

    slug: Slug
    name: str
    languages: tuple[LanguageCode, ...] = ("it", "ro", "en")
    queries: tuple[BrandQuery, ...] = ()
    topics: tuple[Topic, ...] = ()
    own: dict[str, tuple[str, ...]] = {}
    links: tuple[str, ...] = ()
    help_link: str = ""
    publish: dict[str, str] = {}
    signature: str = ""
    facts: tuple[Fact, ...] = ()
    archived: bool = False


class Chat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place on a desk: the connection's name and the chat's own id there."""

    desk: Slug
    chat: str


class Shift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is on call when, in the order in which they are called; an end before the begin is on the next day."""

    days: str = "mon-sun"
    hours: str = "00:00-24:00"
    members: tuple[Slug, ...]


class Absence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days on which a member is away, both included, and who stands in."""

    first: date
    last: date
    cover: str = ""


class Queue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where cases wait.

    Takes the cases of its `brands` in its `languages` about its `topics` (none named: any). `hours` maps days ("mon-fri",
    "sat") to opening times ("09:00-18:00"), none named: always open. Deadlines are minutes of those hours. `chain` names
    who is called, step after step, when a case is late or escalated: a member, "holder", "on-call" (of the `rota`), "lead" or
    "everyone". From `loud_followers` readers on, a negative author is grave. A reply goes out on its
    author's own yes, or after that of so many `approvals` by approvers beside; `risky_approvals` counts for what is grave or
    part of a crisis, where it asks for more. Cards, alerts and digests go to the `chats`; digests alone also to the places
    under `digests`, such as an address of a `mail` connection; what is to be answered in person goes to those of `in_person`,
    such as the address of a customer service or of a CRM.
    """

    slug: Slug
    name: str
    brands: tuple[Slug, ...]
    languages: tuple[LanguageCode, ...] = ()
    topics: tuple[Slug, ...] = ()
    language: LanguageCode = "en"
    zone: str = "Europe/Rome"
    hours: dict[str, str] = {}
    holidays: tuple[date, ...] = ()
    first_answer_minutes: Annotated[int, msgspec.Meta(ge=1)] = 60
    resolution_minutes: Annotated[int, msgspec.Meta(ge=1)] = 480
    claim_minutes: Annotated[int, msgspec.Meta(ge=1)] = 30
    step_minutes: Annotated[int, msgspec.Meta(ge=1)] = 30
    team: tuple[Slug, ...] = ()
    chain: tuple[Slug, ...] = ()
    rota: tuple[Shift, ...] = ()
    loud_followers: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    chats: tuple[Chat, ...] = ()
    digests: tuple[Chat, ...] = ()
    in_person: tuple[Chat, ...] = ()
    digest_at: str = "08:30"
    approvals: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    risky_approvals: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    archived: bool = False

    @property
    def timezone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person of ours. `brands` empty means all; `identities` maps a desk's platform to the person's id there.

    In `quiet` hours (days to times of their own zone, over midnight too) and on `away` days they are called only when nobody
    else is there.
    """

    slug: Slug
    name: str
    role: Role = "manager"
    brands: tuple[Slug, ...] = ()
    language: LanguageCode = "en"
    zone: str = "Europe/Rome"
    identities: dict[str, str] = {}
    quiet: dict[str, str] = {}
    away: tuple[Absence, ...] = ()
    archived: bool = False

    @property
    def timezone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def sees(self, brand: str) -> bool:
        return not self.brands or brand in self.brands

    def at_least(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


class SavedReply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text prepared beforehand; `{{ author }}`, `{{ brand }}`, `{{ link }}` and `{{ name }}` are filled for the case.

    Other placeholders stay open for the manager. `code` is shared by the versions in several languages. With the yes to it the
    case gets the topics of `files_under`, and with its publication it ends.
    """

    code: Slug
    brand: Slug
    language: LanguageCode
    text: str
    topics: tuple[Slug, ...] = ()
    intents: tuple[str, ...] = ()
    files_under: tuple[Slug, ...] = ()
    archived: bool = False

    @property
    def slug(self) -> str:
        return f"{self.brand}/{self.code}/{self.language}"


class Contents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file for `ascolto apply` holds."""

    brands: tuple[Brand, ...] = ()
    queues: tuple[Queue, ...] = ()
    members: tuple[Member, ...] = ()
    saved_replies: tuple[SavedReply, ...] = ()


class Row:
    """A spec with its slug and the number by which other rows point at it."""

    id: Mapped[Id]
    slug: Mapped[str]
    changed_at: Mapped[When]

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[UniqueConstraint]:
        return (UniqueConstraint("slug"),)


class BrandRow(Row, Base):
    __tablename__ = "brand"
    spec: Mapped[Brand] = mapped_column(Structured(Brand))


class QueueRow(Row, Base):
    __tablename__ = "queue"
    spec: Mapped[Queue] = mapped_column(Structured(Queue))


class MemberRow(Row, Base):
    __tablename__ = "member"
    spec: Mapped[Member] = mapped_column(Structured(Member))


class SavedReplyRow(Row, Base):
    __tablename__ = "saved_reply"
    spec: Mapped[SavedReply] = mapped_column(Structured(SavedReply))


class CatalogueVersion(Base):
    """One row, counted up by every change, so that whoever holds a Catalogue knows when it is stale."""

    __tablename__ = "catalogue_version"

    id: Mapped[Id]
    version: Mapped[int]


class Slugged(Protocol):
    @property
    def slug(self) -> str: ...

    @property
    def archived(self) -> bool: ...


Spec = TypeVar("Spec", bound=Slugged)


class Shelf(Generic[Spec]):
    """The specs of one kind, by number and by slug; archived ones are found but not listed."""

    def __init__(self, rows: Mapping[int, Spec]) -> None:
        self._by_id = dict(rows)
        self._id_of = {spec.slug: number for number, spec in rows.items()}

    def __getitem__(self, number: int) -> Spec:
        return self._by_id[number]

    def __iter__(self) -> Iterator[tuple[int, Spec]]:
        return ((number, spec) for number, spec in self._by_id.items() if not spec.archived)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def get(self, number: int | None) -> Spec | None:
        return None if number is None else self._by_id.get(number)

    def id_of(self, slug: str) -> int | None:
        return self._id_of.get(slug)

    def named(self, slug: str) -> tuple[int, Spec] | None:
        number = self._id_of.get(slug)
        return None if number is None else (number, self._by_id[number])


class Catalogue:
    """All brands, queues, members and saved replies at one version."""

    def __init__(
        self,
        version: int,
        brands: Mapping[int, Brand],
        queues: Mapping[int, Queue],
        members: Mapping[int, Member],
        saved_replies: Mapping[int, SavedReply],
    ) -> None:
        self.version = version
        self.brands = Shelf(brands)
        self.queues = Shelf(queues)
        self.members = Shelf(members)
        self.saved_replies = Shelf(saved_replies)

    @cached_property
    def _by_identity(self) -> dict[tuple[str, str], int]:
        return {(desk, ident): number for number, m in self.members for desk, ident in m.identities.items()}

    def member_at(self, desk: str, ident: str) -> int | None:
        """The member who is known as `ident` on that desk's platform."""
        return self._by_identity.get((desk, ident))

    @cached_property
    def own(self) -> dict[str, frozenset[str]]:
        """Per platform, the folded handles that are ours, of whichever brand: their posts are never mentions."""
        handles: dict[str, set[str]] = {}
        for _, brand in self.brands:
            for platform, names in brand.own.items():
                handles.setdefault(platform, set()).update(name.lstrip("@").casefold() for name in names)
        return {platform: frozenset(names) for platform, names in handles.items()}

    @cached_property
    def homes(self) -> frozenset[tuple[str, str]]:
        """The connections and chats where our managers sit: what is said there is said among us."""
        places = ((chat.desk, chat.chat) for _, queue in self.queues for chat in queue.chats)
        return frozenset((desk, chat.partition("/")[0]) for desk, chat in places)  # of a topic its whole group

    def seen_by(self, member: Member) -> list[int]:
        """The numbers of the brands that a member may see."""
        return [number for number, brand in self.brands if member.sees(brand.slug)]

    def contents(self) -> Contents:
        return Contents(
            brands=tuple(self.brands._by_id.values()),
            queues=tuple(self.queues._by_id.values()),
            members=tuple(self.members._by_id.values()),
            saved_replies=tuple(self.saved_replies._by_id.values()),
        )


EMPTY = Catalogue(0, {}, {}, {}, {})


def problems(contents: Contents) -> list[str]:
    """Everything wrong with the contents taken together, each in one sentence that says where."""
    return [*doubles(contents), *_brand_problems(contents), *_queue_problems(contents), *_member_problems(contents)]


def doubles(contents: Contents) -> Iterator[str]:
    """Slugs that stand twice in one file."""
    kinds: tuple[tuple[str, Iterable[str]], ...] = (
        ("brand", (b.slug for b in contents.brands)),
        ("queue", (q.slug for q in contents.queues)),
        ("member", (m.slug for m in contents.members)),
        ("saved reply", (r.slug for r in contents.saved_replies)),
    )
    for kind, slugs in kinds:
        seen: set[str] = set()
        for slug in slugs:
            if slug in seen:
                yield f"{kind} {slug} stands twice"
            seen.add(slug)


def _brand_problems(contents: Contents) -> Iterator[str]:
    for brand in contents.brands:
        for kind, parts in (("query", brand.queries), ("topic", brand.topics)):
            for part in parts:
                try:
                    parse(part.text)
                except QueryError as error:
                    yield f"brand {brand.slug}, {kind} {part.slug}: {error}"
            if len({part.slug for part in parts}) < len(parts):
                yield f"brand {brand.slug}: a {kind} slug stands twice"
    brands = {brand.slug for brand in contents.brands}
    for reply in contents.saved_replies:
        if reply.brand not in brands:
            yield f"saved reply {reply.code}: there is no brand {reply.brand}"
        known = {topic.slug for brand in contents.brands if brand.slug == reply.brand for topic in brand.topics}
        for topic in (*reply.topics, *reply.files_under):
            if topic not in known:
                yield f"saved reply {reply.code}: {reply.brand} has no topic {topic}"
        if wrong := saved_reply.problem(reply.text):
            yield f"saved reply {reply.code} ({reply.language}): {wrong}"


def _queue_problems(contents: Contents) -> Iterator[str]:
    brands = {brand.slug for brand in contents.brands}
    members = {member.slug for member in contents.members}
    for queue in contents.queues:
        for slug in queue.brands:
            if slug not in brands:
                yield f"queue {queue.slug}: there is no brand {slug}"
        wanted = max(queue.approvals, queue.risky_approvals)
        able = [m for m in contents.members if m.slug in queue.team and m.at_least("approver") and not m.archived]
        if wanted and len(able) <= wanted:
            yield f"queue {queue.slug}: {wanted + 1} of its team must be approvers, so that {wanted} are left beside an author"
        on_call = tuple(slug for shift in queue.rota for slug in shift.members)
        if ON_CALL in queue.chain and not on_call:
            yield f"queue {queue.slug}: its chain calls who is on call, and there is no rota"
        for slug in (*queue.team, *queue.chain, *on_call):
            if slug not in members and slug not in STEPS:
                yield f"queue {queue.slug}: there is no member {slug}"
        if not known_zone(queue.zone):
            yield f"queue {queue.slug}: there is no time zone {queue.zone}"
        try:
            opening_times(queue.hours)
            clock_time(queue.digest_at)
            for shift in queue.rota:
                wall_spans({shift.days: shift.hours})
        except ValueError as error:
            yield f"queue {queue.slug}: {error}"


def _member_problems(contents: Contents) -> Iterator[str]:
    brands = {brand.slug for brand in contents.brands}
    taken: dict[tuple[str, str], str] = {}
    for member in contents.members:
        if not known_zone(member.zone):
            yield f"member {member.slug}: there is no time zone {member.zone}"
        for slug in member.brands:
            if slug not in brands:
                yield f"member {member.slug}: there is no brand {slug}"
        try:
            wall_spans(member.quiet)
        except ValueError as error:
            yield f"member {member.slug}: {error}"
        for absence in member.away:
            if absence.last < absence.first:
                yield f"member {member.slug}: an absence ends before it begins"
            if absence.cover and absence.cover not in {other.slug for other in contents.members}:
                yield f"member {member.slug}: there is no member {absence.cover}"
        for desk, ident in member.identities.items():
            other = taken.setdefault((desk, ident), member.slug)
            if other != member.slug:
                yield f"members {other} and {member.slug} have the same identity on {desk}"


def known_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def clock_time(text: str) -> time:
    """ "08:30"; raises ValueError with a sentence."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if not found:
        raise ValueError(f"“{text}” is not a time of day like 08:30")
    return time(int(found[1]), int(found[2]))


def opening_times(hours: Mapping[str, str]) -> dict[int, tuple[time, time]]:
    """Per weekday (0 is Monday) when it opens and closes; 24:00 may close a day. Raises ValueError with a sentence."""
    opening: dict[int, tuple[time, time]] = {}
    for days, span in hours.items():
        opens, dash, closes = span.partition("-")
        if not dash:
            raise ValueError(f"“{span}” is not like 09:00-18:00")
        start, end = clock_time(opens), time.max if closes.strip() == "24:00" else clock_time(closes)
        if start >= end:
            raise ValueError(f"“{span}” closes before it opens")
        for day in _days(days):
            opening[day] = (start, end)
    return opening


def wall_spans(hours: Mapping[str, str]) -> list[tuple[int, time, time]]:
    """(weekday, begin, end) of each; an end at or before its begin is on the day after. Raises ValueError with a sentence."""
    found = []
    for days, span in hours.items():
        begins, dash, ends = span.partition("-")
        if not dash:
            raise ValueError(f"“{span}” is not like 22:00-07:00")
        end = time() if ends.strip() == "24:00" else clock_time(ends)
        found += [(day, clock_time(begins), end) for day in _days(days)]
    return found


def _days(text: str) -> range:
    first, _, last = text.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"“{text}” is not a day or a range of days like mon-fri")
    start, end = DAYS.index(first), DAYS.index(last or first)
    if start > end:
        raise ValueError(f"“{text}” runs backwards")
    return range(start, end + 1)
