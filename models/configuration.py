"""Brands, queues, members and saved replies: what members change without a restart.

Each has a stable slug and a spec; the spec is both the content of its row (models/tables/configuration.py) and what
`ascolto apply FILE` reads. A Configuration is all of them at one moment and never changes, so that a bad edit never
replaces the last good one.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Generic, Literal, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec

Slug = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
LanguageCode = Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}$")]
Role = Literal["manager", "approver", "lead", "admin"]
ROLES: tuple[Role, ...] = ("manager", "approver", "lead", "admin")
EVERYONE = "everyone"
"""A step of an escalation chain: the whole team."""
HOLDER, ON_CALL, LEAD = "holder", "on-call", "lead"
"""Steps of an escalation chain: who has claimed the case, the next available on the rota, the leads of the team."""
CHAIN_STEPS = (EVERYONE, HOLDER, ON_CALL, LEAD)


class BrandQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    slug: Slug
    text: str


class Topic(BrandQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a mention is about: a query too, matched against the mentions of its brand only."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fact that may be stated in the brand's name: "refunds", "within 14 days, to the card paid with"."""

    name: str
    text: str


class Brand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client whose name we listen for.

    `own_accounts` lists the brand's handles per platform, whose posts are never mentions; `link_domains` the domains its
    replies may link to; `publish` the connection that publishes for it on each platform; `signature` ends a reply;
    `severe_words` is a query for what is severe to this brand, beside what is to all; `facts`
    are what a language model may draft replies from, where one is configured.
    """

    slug: Slug
    name: str
    languages: tuple[LanguageCode, ...] = ("it", "ro", "en")
    queries: tuple[BrandQuery, ...] = ()
    topics: tuple[Topic, ...] = ()
    own_accounts: dict[str, tuple[str, ...]] = {}
    link_domains: tuple[str, ...] = ()
    help_link: str = ""
    publish: dict[str, str] = {}
    signature: str = ""
    severe_words: str = ""
    facts: tuple[Fact, ...] = ()
    archived: bool = False


class Chat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chat on a desk: the connection's name and the chat's own id."""

    desk: Slug
    chat: str


class Shift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is on call when, in the order of notification; an end before the start is on the next day."""

    days: str = "mon-sun"
    hours: str = "00:00-24:00"
    members: tuple[Slug, ...]


class Absence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days on which a member is away, both included, and who covers for them."""

    first: date
    last: date
    cover: str = ""


class Queue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where cases wait.

    Takes the cases of its `brands` in its `languages` about its `topics` (none listed: any). `hours` maps days ("mon-fri",
    "sat") to opening times ("09:00-18:00"); none listed: always open. Deadlines are minutes within those hours.
    `escalation` lists who is notified, step by step, when a case is overdue or escalated: a member, "holder", "on-call" (of
    the `rota`), "lead" or "everyone". A negative author with at least `high_reach_followers` is severe. A reply needs
    `approvals` by approvers beside its author's own; `risky_approvals` applies to severe cases and crises where it is more.
    Cards, alerts and digests go to the `chats`; digests also to those under `digests`, such as an address of a `mail`
    connection; cases answered by direct contact go to those under `direct_contact`, such as a customer service mailbox or CRM.
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
    claim_minutes: Annotated[int, msgspec.Meta(ge=1)] = 30
    escalation_minutes: Annotated[int, msgspec.Meta(ge=1)] = 30
    team: tuple[Slug, ...] = ()
    escalation: tuple[Slug, ...] = ()
    rota: tuple[Shift, ...] = ()
    high_reach_followers: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    chats: tuple[Chat, ...] = ()
    digests: tuple[Chat, ...] = ()
    direct_contact: tuple[Chat, ...] = ()
    digest_at: str = "08:30"
    approvals: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    risky_approvals: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    archived: bool = False

    @property
    def timezone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person of ours. `brands` empty means all; `identities` maps a desk's platform to the person's id there.

    During `quiet_hours` (days to times of their own zone, past midnight too) and `absences` they are notified only if nobody
    else is available.
    """

    slug: Slug
    name: str
    role: Role = "manager"
    brands: tuple[Slug, ...] = ()
    language: LanguageCode = "en"
    zone: str = "Europe/Rome"
    identities: dict[str, str] = {}
    quiet_hours: dict[str, str] = {}
    absences: tuple[Absence, ...] = ()
    archived: bool = False

    @property
    def timezone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def can_see(self, brand: str) -> bool:
        return not self.brands or brand in self.brands

    def at_least(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


class SavedReply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A prepared text; `{{ author }}`, `{{ brand }}`, `{{ link }}` and `{{ name }}` are filled in for the case.

    Other placeholders are left for the manager to fill. `code` is shared by the versions in several languages. Approving it
    adds `adds_topics` to the case.
    """

    code: Slug
    brand: Slug
    language: LanguageCode
    text: str
    topics: tuple[Slug, ...] = ()
    intents: tuple[str, ...] = ()
    adds_topics: tuple[Slug, ...] = ()
    archived: bool = False

    @property
    def slug(self) -> str:
        return f"{self.brand}/{self.code}/{self.language}"


class ConfigurationFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file for `ascolto apply` holds."""

    brands: tuple[Brand, ...] = ()
    queues: tuple[Queue, ...] = ()
    members: tuple[Member, ...] = ()
    saved_replies: tuple[SavedReply, ...] = ()


class Slugged(Protocol):
    @property
    def slug(self) -> str: ...

    @property
    def archived(self) -> bool: ...


Spec = TypeVar("Spec", bound=Slugged)


class Registry(Generic[Spec]):
    """The specs of one kind, by id and by slug; archived ones can be looked up but are not listed."""

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

    def by_slug(self, slug: str) -> tuple[int, Spec] | None:
        number = self._id_of.get(slug)
        return None if number is None else (number, self._by_id[number])

    def all(self) -> tuple[Spec, ...]:
        """Archived ones too."""
        return tuple(self._by_id.values())


class Configuration:
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
        self.brands = Registry(brands)
        self.queues = Registry(queues)
        self.members = Registry(members)
        self.saved_replies = Registry(saved_replies)

    @cached_property
    def _by_identity(self) -> dict[tuple[str, str], int]:
        return {(platform, who): number for number, m in self.members for platform, who in m.identities.items()}

    def member_by_identity(self, platform: str, who: str) -> int | None:
        """The member whose id on that platform is `who`."""
        return self._by_identity.get((platform, who))

    @cached_property
    def own_accounts(self) -> dict[str, frozenset[str]]:
        """Platform → the case-folded handles of all brands' own accounts: their posts are never mentions."""
        handles: dict[str, set[str]] = {}
        for _, brand in self.brands:
            for platform, names in brand.own_accounts.items():
                handles.setdefault(platform, set()).update(name.lstrip("@").casefold() for name in names)
        return {platform: frozenset(names) for platform, names in handles.items()}

    @cached_property
    def desk_chats(self) -> frozenset[tuple[str, str]]:
        """The connections and chats where members work: what is written there is internal."""
        chats = ((chat.desk, chat.chat) for _, queue in self.queues for chat in queue.chats)
        return frozenset((desk, chat.partition("/")[0]) for desk, chat in chats)  # of a topic, its whole group

    def visible_brands(self, member: Member) -> list[int]:
        """The ids of the brands that a member may see."""
        return [number for number, brand in self.brands if member.can_see(brand.slug)]

    def to_file(self) -> ConfigurationFile:
        return ConfigurationFile(
            brands=self.brands.all(),
            queues=self.queues.all(),
            members=self.members.all(),
            saved_replies=self.saved_replies.all(),
        )


EMPTY = Configuration(0, {}, {}, {}, {})
