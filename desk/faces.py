"""What every chat shows of a card, an alert, a digest or a preview; each chat brings its markup and its limits."""

from collections.abc import Callable
from typing import Final, NamedTuple

from languages import Translator
from models.text import one_line
from triage import wording
from triage.card import Card, Said
from triage.desking import Preview
from triage.suggestions import Suggestion
from triage.viewing import AlertView, BacklogView, DigestView, HandedView

SIGNS: Final = {"negative": "🔴", "neutral": "⚪️", "positive": "🟢"}


QUOTE: Final = 900
"""Characters of a post or a reply on a card."""


class Markup(NamedTuple):
    """How a chat writes. Each takes plain text, a stranger's perhaps, and makes it harmless."""

    safe: Callable[[str], str]
    bold: Callable[[str], str]
    small: Callable[[str], str]
    quoted: Callable[[str, int], str]
    """With the most characters of it to show."""
    link: Callable[[str, str], str]
    """The words, and the address that they lead to."""
    ping: Callable[[str, str], str]
    """A colleague's name, and their id on this chat, at which they are called."""


def head(card: Card, m: Markup) -> str:
    """Who, where, about whom, and how many say the same."""
    grave = "🚨 " if card.grave else ""
    storm = f" · ×{card.storm}" if card.storm > 1 else ""
    who = m.bold(f"#{card.case} @{one_line(card.author, 60)}")
    return f"{grave}{SIGNS[card.sentiment]} {who} · {m.safe(card.platform)} · {m.safe(card.brand)}{storm}"


def quotes(card: Card, m: Markup, t: Translator) -> list[str]:
    """What was said: what it answers, the latest post, what that said before it was edited, and what hangs on it."""
    said = card.latest
    if said.deleted:
        return [m.small(t("The author deleted this post."))]
    more = len(card.said) - 1
    lines = [m.small(t.count("{n} earlier post of theirs", "{n} earlier posts of theirs", more))] if more else []
    if said.before:
        above = said.before[-1]
        words = t("to {author}: {text}", author=one_line(above.author, 40), text=one_line(above.text, 200))
        lines.append(m.small(words))
    lines.append(m.quoted(said.text, QUOTE))
    if said.was:
        lines.append(m.small(t("before the edit: {text}", text=one_line(said.was, 200))))
    return [*lines, *_media(said, m, t)]


def _media(said: Said, m: Markup, t: Translator) -> list[str]:
    shown = ", ".join(media.alt or wording.media(media.kind, t) for media in said.media[:4])
    return ["📎 " + m.safe(one_line(shown, 200))] if shown else []


def standing(card: Card, m: Markup, t: Translator) -> list[str]:
    """Where it stands: who has it, what became of the reply, the last note."""
    word, rest = _stands(card, t)
    lines, reply = [m.bold(word) + m.safe(rest)], card.reply
    if reply is not None:
        lines.append(m.quoted(reply.text, QUOTE))
        if reply.state == "published" and reply.url.startswith(("http://", "https://")):
            lines.append("✅ " + m.link(t("see it there"), reply.url))
        if reply.error:
            lines.append("⚠️ " + m.safe(one_line(t(reply.error), 300)))
    notes = [event for event in card.events if event.kind == "noted"]
    return [*lines, *("📝 " + m.safe(one_line(note.text, 300)) for note in notes[-1:])]


def _stands(card: Card, t: Translator) -> tuple[str, str]:
    """The word for where it stands, and what belongs to it: who has it, until when it sleeps, why it ended."""
    word = t(wording.STATE[card.state])
    if card.proposal:
        return t("waits for a second yes"), f" · {card.holder_name} · {len(card.proposal.said_yes)}/{card.wanted}"
    if card.holder_name:
        return word, f" · {card.holder_name}"
    if card.snoozed_until:
        return word, f" → {t.moment(card.snoozed_until, card.zone)}"
    return word, f": {wording.reason(card.ended_reason, t)}" if card.ended_reason else ""


def alert(view: AlertView, m: Markup, t: Translator) -> list[str]:
    lines = [
        "🚨 " + m.bold(wording.alert(view.kind, view.reason, t)),
        m.safe(f"#{view.card.case} @{one_line(view.card.author, 60)}"),
        m.quoted(view.card.latest.text, 300),
    ]
    if view.others:
        named = ", ".join(f"#{case} @{one_line(author, 40)}" for case, author in view.worst)
        more = view.others - len(view.worst)
        words = t("and like it: {cases}", cases=named)
        lines.append(m.safe(words + (" " + t("and {count} more", count=more) if more > 0 else "")))
    if view.kind == "approval" and view.card.proposal is None:
        lines.append(m.small(t("This is decided.")))
    elif view.called:
        lines.append("👉 " + ", ".join(m.ping(called.name, called.identity) for called in view.called[:10]))
    return lines


def backlog(view: BacklogView, m: Markup, t: Translator) -> list[str]:
    """What has no card yet, and where it can be seen before it has one."""
    if not view.count:
        return [m.small(t("All cases have their card now."))]
    more = t.count(
        "and {n} more case, as fast as this chat takes them",
        "and {n} more cases, as fast as this chat takes them",
        view.count,
    )
    return [
        "⏬ " + m.bold(more),
        *(m.safe(f"#{case} @{one_line(author, 40)}: {one_line(text, 80)}") for case, author, text in view.worst),
        m.link(t("On Ascolto's own page they stand already."), view.url)
        if view.url
        else m.small(t("On Ascolto's own page they stand already.")),
    ]


def handed(view: HandedView, m: Markup, t: Translator) -> list[str]:
    """For somebody who answers in person, and may sit anywhere."""
    lines = [
        m.bold(
            t("To answer in person: #{case} @{author}, {brand}", case=view.case, author=view.author, brand=view.brand)
        )
    ]
    lines += [m.quoted(text, 600) for text in view.said[-3:]]
    if view.note:
        lines.append("📝 " + m.safe(one_line(view.note, 300)))
    if view.url.startswith(("http://", "https://")):
        lines.append(m.link(t("open the post"), view.url))
    return lines


def digest(view: DigestView, m: Markup, t: Translator) -> list[str]:
    first, *rest = view.lines
    link = [m.link(t("all of it, with the cases"), view.url)] if view.url else []
    return [m.bold(first), *("• " + m.safe(line) for line in rest), *link]


def too_long(t: Translator) -> str:
    return t("It is too long for this chat: read and approve it on the web desk.")


def preview_head(shown: Preview, t: Translator) -> str:
    if shown.proposed and shown.was:
        return t("An approver has changed it. This would be published for #{case}:", case=shown.case)
    if not shown.can_publish:
        return t("Ascolto cannot publish there for #{case}. Copy this, and open the post:", case=shown.case)
    return t("This would be published for #{case}:", case=shown.case)


def remarks(shown: Preview, m: Markup, t: Translator) -> list[str]:
    """What the checks found; what stops it first of all."""
    found = [("⛔️ " if finding.stops else "⚠️ ") + m.safe(finding.said(t)) for finding in shown.findings]
    if shown.files_under:
        found.append("🗂 " + m.safe(t("Files the case under: {topics}", topics=", ".join(shown.files_under))))
    return found


def origin(suggestion: Suggestion, t: Translator) -> str:
    """Where a suggestion comes from."""
    if suggestion.source == "saved":
        return suggestion.code
    reasons = dict(suggestion.reasons)
    if suggestion.source == "drafted":
        return (
            "✨ "
            + t("drafted by a model from: {facts}", facts=reasons["facts"])
            + f", {t(wording.TONE[reasons['tone']])}"
        )
    used = int(reasons["used"])
    return t.count("approved once in a like case", "approved {n} times in like cases", used) + f", {suggestion.code}"


def chips(card: Card, t: Translator) -> str:
    """What it is about, in a line: the grave first, the deadline last."""
    found = [t(wording.INTENT[card.intent]), *card.topics, t.name_of(card.language)]
    if card.followers:
        found.append(t.count("{n} follower", "{n} followers", card.followers))
    if card.grave:
        found.insert(0, t(wording.GRAVE[card.grave]))
    if card.state in ("waiting", "claimed"):
        found.append(("⏰ " if card.late else "⏳ ") + t.clock(card.due_at, card.zone))
    return " · ".join(found)


def reasons(card: Card, t: Translator) -> list[str]:
    """Why it stands where it stands in the queue, and what moved the reader."""
    found = [", ".join(wording.part(part, t) for part in card.parts[:3])] if card.parts else []
    if card.latest.moved:
        found.append(t("The reader was moved by: {words}", words=wording.moved(card.latest.moved)))
    return found
