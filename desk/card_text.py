"""The text of cards, alerts, digests and previews on every chat; each chat brings its markup and its limits."""

from collections.abc import Callable
from typing import Final, NamedTuple

from cards.case_view import CaseView, MentionView
from cards.chat_views import AlertView, BacklogView, DigestView, HandoverView
from cards.outcome import Preview
from languages import Translator
from models.text import one_line, safe_url
from publishing.suggestions import Suggestion
from triage import labels

SENTIMENT_ICONS: Final = {"negative": "🔴", "neutral": "⚪️", "positive": "🟢"}
QUOTE: Final = 900
"""Characters of a post or a reply on a card."""


class Markup(NamedTuple):
    """How a chat formats text. Each takes plain text, perhaps an author's, and escapes it."""

    safe: Callable[[str], str]
    bold: Callable[[str], str]
    small: Callable[[str], str]
    quoted: Callable[[str, int], str]
    """With the maximum of characters to show."""
    link: Callable[[str, str], str]
    """(text, address)"""
    ping: Callable[[str, str], str]
    """(name, identity): notifies a colleague by their identity on this chat."""


def head(case: CaseView, m: Markup) -> str:
    """The author, where, about which brand, and how many say the same."""
    severe = "🚨 " if case.severity else ""
    group = f" · ×{case.group_size}" if case.group_size > 1 else ""
    who = m.bold(f"#{case.id} @{one_line(case.author, 60)}")
    icon = SENTIMENT_ICONS[case.sentiment]
    return f"{severe}{icon} {who} · {m.safe(case.platform)} · {m.safe(case.brand)}{group}"


def quotes(case: CaseView, m: Markup, t: Translator) -> list[str]:
    """The latest post: what it answers, its text, the text before an edit, and its media."""
    latest = case.latest
    if latest.is_deleted:
        return [m.small(t("The author deleted this post."))]
    more = len(case.mentions) - 1
    lines = (
        [m.small(t.count("{n} earlier post by the author", "{n} earlier posts by the author", more))] if more else []
    )
    if latest.mention.earlier_posts:
        above = latest.mention.earlier_posts[-1]
        words = t("to {author}: {text}", author=one_line(above.author, 40), text=one_line(above.text, 200))
        lines.append(m.small(words))
    lines.append(m.quoted(latest.text, QUOTE))
    if latest.previous_text:
        lines.append(m.small(t("before the edit: {text}", text=one_line(latest.previous_text, 200))))
    return [*lines, *_media(latest, m, t)]


def _media(mention: MentionView, m: Markup, t: Translator) -> list[str]:
    names = ", ".join(media.alt or labels.media(media.kind, t) for media in mention.mention.media[:4])
    return ["📎 " + m.safe(one_line(names, 200))] if names else []


def status_lines(case: CaseView, m: Markup, t: Translator) -> list[str]:
    """Who holds the case, what became of the reply, the last note."""
    word, rest = _status(case, t)
    lines, reply = [m.bold(word) + m.safe(rest)], case.reply
    if reply is not None:
        lines.append(m.quoted(reply.text, QUOTE))
        if reply.state == "published" and safe_url(reply.url):
            lines.append("✅ " + m.link(t("see it there"), reply.url))
        if reply.error:
            lines.append("⚠️ " + m.safe(one_line(t(reply.error), 300)))
    notes = [event for event in case.events if event.kind == "noted"]
    return [*lines, *("📝 " + m.safe(one_line(note.text, 300)) for note in notes[-1:])]


def _status(case: CaseView, t: Translator) -> tuple[str, str]:
    """The state, and its detail: who holds the case, until when it is snoozed, why it ended."""
    word = t(labels.STATE[case.state])
    if case.proposal:
        approvals = f"{len(case.proposal.approvers)}/{case.required_approvals}"
        return t("waiting for approval"), f" · {case.holder_name} · {approvals}"
    if case.holder_name:
        return word, f" · {case.holder_name}"
    if case.snoozed_until:
        return word, f" → {t.moment(case.snoozed_until, case.zone)}"
    return word, f": {labels.dismissal(case.ended_reason, t)}" if case.ended_reason else ""


def alert(view: AlertView, m: Markup, t: Translator) -> list[str]:
    lines = [
        "🚨 " + m.bold(view.headline(t)),
        m.safe(f"#{view.case.id} @{one_line(view.case.author, 60)}"),
        m.quoted(view.case.latest.text, 300),
    ]
    if view.others:
        named = ", ".join(f"#{case} @{one_line(author, 40)}" for case, author in view.most_urgent)
        more = view.others - len(view.most_urgent)
        words = t("and similar: {cases}", cases=named)
        lines.append(m.safe(words + (" " + t("and {count} more", count=more) if more > 0 else "")))
    if view.kind == "approval" and view.case.proposal is None:
        lines.append(m.small(t("This has been decided.")))
    elif view.notified:
        lines.append("👉 " + ", ".join(m.ping(member.name, member.identity) for member in view.notified[:10]))
    return lines


def backlog(view: BacklogView, m: Markup, t: Translator) -> list[str]:
    """How many cases have no card yet, and where they can be seen before."""
    if not view.count:
        return [m.small(t("All cases have their card now."))]
    more = t.count(
        "and {n} more case, as fast as this chat takes them",
        "and {n} more cases, as fast as this chat takes them",
        view.count,
    )
    on_web = t("They are already on the web desk.")
    return [
        "⏬ " + m.bold(more),
        *(m.safe(f"#{case} @{one_line(author, 40)}: {one_line(text, 80)}") for case, author, text in view.most_urgent),
        m.link(on_web, view.url) if view.url else m.small(on_web),
    ]


def handover(view: HandoverView, m: Markup, t: Translator) -> list[str]:
    """For whoever answers by direct contact, and may have no access to Ascolto."""
    head_line = t(
        "Answer by direct contact: #{case} @{author}, {brand}", case=view.case, author=view.author, brand=view.brand
    )
    lines = [m.bold(head_line), *(m.quoted(text, 600) for text in view.posts[-3:])]
    if view.note:
        lines.append("📝 " + m.safe(one_line(view.note, 300)))
    if safe_url(view.url):
        lines.append(m.link(t("Open the post"), view.url))
    return lines


def digest(view: DigestView, m: Markup, t: Translator) -> list[str]:
    first, *rest = view.lines
    link = [m.link(t("Full digest, with the cases"), view.url)] if view.url else []
    return [m.bold(first), *("• " + m.safe(line) for line in rest), *link]


def too_long(t: Translator) -> str:
    return t("The text is too long for this chat. Review and approve it on the web desk.")


def preview_head(preview: Preview, t: Translator) -> str:
    if preview.proposed and preview.author_version:
        return t("An approver has edited the text. For #{case}, this will be published:", case=preview.case)
    if not preview.can_publish:
        return t("Ascolto cannot publish there for #{case}. Copy this and open the post:", case=preview.case)
    return t("For #{case}, this will be published:", case=preview.case)


def remarks(preview: Preview, m: Markup, t: Translator) -> list[str]:
    """What the checks found, blocking findings first."""
    lines = [("⛔️ " if f.blocks else "⚠️ ") + m.safe(f.message_for(t)) for f in preview.findings]
    if preview.added_topics:
        lines.append("🗂 " + m.safe(t("Adds topics: {topics}", topics=", ".join(preview.added_topics))))
    return lines


def origin(suggestion: Suggestion, t: Translator) -> str:
    """Where a suggestion comes from."""
    if suggestion.source == "saved":
        return suggestion.code
    reasons = dict(suggestion.reasons)
    if suggestion.source == "ai":
        drafted = t("AI draft based on: {facts}", facts=reasons["facts"])
        return f"✨ {drafted}, {t(labels.TONE[reasons['tone']])}"
    used = int(reasons["used"])
    return (
        t.count("approved once in a similar case", "approved {n} times in similar cases", used) + f", {suggestion.code}"
    )


def tags(case: CaseView, t: Translator) -> str:
    """What it is about, in a line: the severity first, the deadline last."""
    words = [t(labels.INTENT[case.intent]), *case.topics, t.name_of(case.language)]
    if case.followers:
        words.append(t.count("{n} follower", "{n} followers", case.followers))
    if case.severity:
        words.insert(0, t(labels.SEVERITY[case.severity]))
    if case.state in ("waiting", "claimed"):
        words.append(("⏰ " if case.late else "⏳ ") + t.clock(case.due_at, case.zone))
    return " · ".join(words)


def reasons(case: CaseView, t: Translator) -> list[str]:
    """Why it has its place in the queue, and which words influenced the sentiment."""
    lines = [", ".join(labels.score_part(part, t) for part in case.score_parts[:3])] if case.score_parts else []
    if case.latest.match.influential_words:
        words = labels.influential_words(case.latest.match.influential_words)
        lines.append(t("Words that influenced the sentiment: {words}", words=words))
    return lines
