"""What stands on a chat desk, whatever it looks like there: cards, alerts, digests, what is still to come, what is handed on."""

from typing import Final

import msgspec
from sqlalchemy import func, select

from languages import Translator, translator
from models.case import Alert, Case
from models.desk import CardPost, Chart, Digest
from models.mention import Author
from triage import wording
from triage.card import Card, card
from triage.turn import Turn


class Called(msgspec.Struct, frozen=True):
    """Somebody whose turn it is; `identity` is theirs on this chat, empty where they have none."""

    name: str
    identity: str


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """`pattern` is what can be muted of it, `others` how many more stand on it, and `worst` the worst of those."""

    kind: str
    reason: str
    called: tuple[Called, ...]
    card: Card
    pattern: str = ""
    others: int = 0
    worst: tuple[tuple[int, str], ...] = ()
    """(case, author)"""


class DigestView(msgspec.Struct, frozen=True, kw_only=True):
    lines: tuple[str, ...]
    chart: Chart | None = None
    url: str = ""
    """Where it stands on the web desk, with what its numbers count; a path until the board knows the address."""


class BacklogView(msgspec.Struct, frozen=True, kw_only=True):
    """So many open cases have no card yet, for a chat takes only so many messages: `worst` is (case, author, words)."""

    count: int
    worst: tuple[tuple[int, str, str], ...]
    url: str = ""


class HandedView(msgspec.Struct, frozen=True, kw_only=True):
    """A case for somebody who answers in person: who, what was said before and now, where, and our own last note."""

    case: int
    brand: str
    author: str
    url: str
    said: tuple[str, ...]
    note: str = ""


View = Card | AlertView | DigestView | BacklogView | HandedView
WORST: Final = 3
"""Cases named on an alert that stands for many."""


async def view(turn: Turn, post: CardPost, platform: str) -> tuple[View, int, Translator]:
    """What should stand at a place, its revision, and the language of the place."""
    if post.subject == "case":
        case = await turn.session.get_one(Case, post.subject_id)
        shown = await card(turn, case.id)
        return shown, shown.revision, _language(turn, case)
    if post.subject == "digest":
        digest = await turn.session.get_one(Digest, post.subject_id)
        queue = turn.catalogue.queues.get(digest.queue_id)
        path = f"/digest?period={digest.period}&date={digest.day}"
        return (
            DigestView(lines=digest.lines, chart=digest.chart, url=path),
            1,
            translator(queue.language if queue else "en"),
        )
    if post.subject == "handed":
        return await _handed(turn, post.subject_id)
    alert = await turn.session.get_one(Alert, post.subject_id)
    case = await turn.session.get_one(Case, alert.case_id)
    t = _language(turn, case)
    others, worst = await _grouped(turn, alert)
    shown_alert = AlertView(
        kind=alert.kind,
        reason=alert.reason,
        called=tuple(_called(turn, slug, platform, t) for slug in alert.called.split(",") if slug),
        card=await card(turn, case.id),
        pattern=alert.pattern,
        others=others,
        worst=worst,
    )
    return shown_alert, alert.revision, t


async def _handed(turn: Turn, case_id: int) -> tuple[HandedView, int, Translator]:
    case = await turn.session.get_one(Case, case_id)
    shown = await card(turn, case_id)
    notes = [event.text for event in shown.events if event.kind == "noted"]
    found = HandedView(
        case=case_id,
        brand=shown.brand,
        author=shown.author,
        url=shown.latest.url,
        said=tuple(said.text for said in shown.said if said.text),
        note=notes[-1] if notes else "",
    )
    return found, 1, _language(turn, case)


async def _grouped(turn: Turn, alert: Alert) -> tuple[int, tuple[tuple[int, str], ...]]:
    """How many alerts stand on this one, and the worst of their cases."""
    count = await turn.session.scalar(select(func.count()).where(Alert.grouped_in == alert.id)) or 0
    if not count:
        return 0, ()
    rows = await turn.session.execute(
        select(Case.id, Author.handle)
        .join(Alert, Alert.case_id == Case.id)
        .join(Author, Author.id == Case.author_id)
        .where(Alert.grouped_in == alert.id)
        .order_by(Case.rank.desc())
        .limit(WORST)
    )
    return count, tuple((number, handle) for number, handle in rows)


def _called(turn: Turn, slug: str, platform: str, t: Translator) -> Called:
    found = turn.catalogue.members.named(slug)
    return Called(wording.name(slug, turn.catalogue, t), found[1].identities.get(platform, "") if found else "")


def _language(turn: Turn, case: Case) -> Translator:
    queue = turn.queue(case)
    return translator(queue.language if queue else "en")
