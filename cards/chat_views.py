"""What chat desks show, whatever it looks like there: cases, alerts, digests, backlogs and handovers."""

from typing import Final, NamedTuple

import msgspec
from sqlalchemy import func, select

from cards.case_view import CaseView, case_view
from languages import Translator, translator
from models.tables.alert import Alert, AlertKind
from models.tables.card_placement import CardPlacement
from models.tables.case import Case
from models.tables.digest import Chart, Digest
from models.tables.mention import Author
from triage import labels
from triage.context import Context


class NotifiedMember(msgspec.Struct, frozen=True):
    """`identity` is theirs on this chat, empty where they have none."""

    name: str
    identity: str


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """`others` alerts share its card, and `most_urgent` are (case, author) of the most urgent of those."""

    id: int
    kind: AlertKind
    text: str
    severity: str | None
    words: tuple[str, ...]
    notified: tuple[NotifiedMember, ...]
    case: CaseView
    others: int = 0
    most_urgent: tuple[tuple[int, str], ...] = ()

    def headline(self, t: Translator) -> str:
        return labels.alert(self.kind, self.text, self.severity, self.words, t)


class DigestView(msgspec.Struct, frozen=True, kw_only=True):
    lines: tuple[str, ...]
    chart: Chart | None = None
    url: str = ""
    """Its page on the web desk; a path until the card sync adds the address."""


class BacklogView(msgspec.Struct, frozen=True, kw_only=True):
    """Open cases without a card, because the chat's rate limit is reached: how many, and (case, author, text) of some."""

    count: int
    most_urgent: tuple[tuple[int, str, str], ...]
    url: str = ""


class HandoverView(msgspec.Struct, frozen=True, kw_only=True):
    """A case for whoever answers by direct contact: the author, the posts, where they are, and our last internal note."""

    case: int
    brand: str
    author: str
    url: str
    posts: tuple[str, ...]
    note: str = ""


View = CaseView | AlertView | DigestView | BacklogView | HandoverView
MAX_NAMED: Final = 3
"""Cases named on an alert that many share."""


class ViewToShow(NamedTuple):
    """A view, its revision, and the language of the chat."""

    view: View
    revision: int
    t: Translator


async def view_for(context: Context, placement: CardPlacement, platform: str) -> ViewToShow:
    """What a placement should show now."""
    if placement.subject == "case":
        case = await context.session.get_one(Case, placement.subject_id)
        shown = await case_view(context, case.id)
        return ViewToShow(shown, shown.revision, _language(context, case))
    if placement.subject == "digest":
        return await _digest(context, placement.subject_id)
    if placement.subject == "handover":
        return await _handover(context, placement.subject_id)
    return await _alert(context, placement.subject_id, platform)


async def _digest(context: Context, digest_id: int) -> ViewToShow:
    digest = await context.session.get_one(Digest, digest_id)
    queue = context.configuration.queues.get(digest.queue_id)
    path = f"/digest?period={digest.period}&date={digest.first_day}"
    view = DigestView(lines=digest.lines, chart=digest.chart, url=path)
    return ViewToShow(view, 1, translator(queue.language if queue else "en"))


async def _alert(context: Context, alert_id: int, platform: str) -> ViewToShow:
    alert = await context.session.get_one(Alert, alert_id)
    case = await context.session.get_one(Case, alert.case_id)
    t = _language(context, case)
    others, most_urgent = await _sharing(context, alert)
    view = AlertView(
        id=alert.id,
        kind=alert.kind,
        text=alert.text,
        severity=alert.severity,
        words=alert.words,
        notified=tuple(_notified(context, slug, platform, t) for slug in alert.notified),
        case=await case_view(context, case.id),
        others=others,
        most_urgent=most_urgent,
    )
    return ViewToShow(view, alert.revision, t)


async def _handover(context: Context, case_id: int) -> ViewToShow:
    case = await context.session.get_one(Case, case_id)
    shown = await case_view(context, case_id)
    notes = [event.text for event in shown.events if event.kind == "noted"]
    view = HandoverView(
        case=case_id,
        brand=shown.brand,
        author=shown.author,
        url=shown.latest.url,
        posts=tuple(mention.text for mention in shown.mentions if mention.text),
        note=notes[-1] if notes else "",
    )
    return ViewToShow(view, 1, _language(context, case))


async def _sharing(context: Context, alert: Alert) -> tuple[int, tuple[tuple[int, str], ...]]:
    """How many alerts share this one's card, and the most urgent of their cases."""
    count = await context.session.scalar(select(func.count()).where(Alert.group_id == alert.id)) or 0
    if not count:
        return 0, ()
    rows = await context.session.execute(
        select(Case.id, Author.handle)
        .join(Alert, Alert.case_id == Case.id)
        .join(Author, Author.id == Case.author_id)
        .where(Alert.group_id == alert.id)
        .order_by(Case.rank.desc())
        .limit(MAX_NAMED)
    )
    return count, tuple((number, handle) for number, handle in rows)


def _notified(context: Context, slug: str, platform: str, t: Translator) -> NotifiedMember:
    entry = context.configuration.members.by_slug(slug)
    identity = entry[1].identities.get(platform, "") if entry else ""
    return NotifiedMember(labels.member_name(slug, context.configuration, t), identity)


def _language(context: Context, case: Case) -> Translator:
    queue = context.queue(case)
    return translator(queue.language if queue else "en")
