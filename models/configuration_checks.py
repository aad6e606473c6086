"""Everything wrong with a configuration, each in one sentence that says where."""

from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from models import saved_reply_template
from models.configuration import CHAIN_STEPS, ON_CALL, Brand, ConfigurationFile, Topic
from models.query import QueryError, parse
from models.weekly_hours import clock_time, opening_times, weekly_spans


def configuration_errors(file: ConfigurationFile) -> list[str]:
    return [
        *duplicate_slugs(file),
        *_brand_errors(file),
        *_saved_reply_errors(file),
        *_queue_errors(file),
        *_member_errors(file),
    ]


def duplicate_slugs(file: ConfigurationFile) -> Iterator[str]:
    kinds: tuple[tuple[str, Iterable[str]], ...] = (
        ("brand", (b.slug for b in file.brands)),
        ("queue", (q.slug for q in file.queues)),
        ("member", (m.slug for m in file.members)),
        ("saved reply", (r.slug for r in file.saved_replies)),
    )
    for kind, slugs in kinds:
        seen: set[str] = set()
        for slug in slugs:
            if slug in seen:
                yield f"{kind} {slug} is defined twice"
            seen.add(slug)


def _brand_errors(file: ConfigurationFile) -> Iterator[str]:
    for brand in file.brands:
        for kind, parts in (("query", brand.queries), ("topic", brand.topics), ("severe_words", _severe_words(brand))):
            for part in parts:
                try:
                    parse(part.text)
                except QueryError as error:
                    yield f"brand {brand.slug}, {kind} {part.slug}: {error}"
            if len({part.slug for part in parts}) < len(parts):
                yield f"brand {brand.slug}: two {kind} slugs are the same"


def _severe_words(brand: Brand) -> tuple[Topic, ...]:
    return (Topic(slug="severe_words", text=brand.severe_words),) if brand.severe_words else ()


def _saved_reply_errors(file: ConfigurationFile) -> Iterator[str]:
    topics = {brand.slug: {topic.slug for topic in brand.topics} for brand in file.brands}
    for reply in file.saved_replies:
        if reply.brand not in topics:
            yield f"saved reply {reply.code}: there is no brand {reply.brand}"
        for topic in (*reply.topics, *reply.adds_topics):
            if topic not in topics.get(reply.brand, ()):
                yield f"saved reply {reply.code}: {reply.brand} has no topic {topic}"
        if error := saved_reply_template.syntax_error(reply.text):
            yield f"saved reply {reply.code} ({reply.language}): {error}"


def _queue_errors(file: ConfigurationFile) -> Iterator[str]:
    brands = {brand.slug for brand in file.brands}
    members = {member.slug for member in file.members}
    for queue in file.queues:
        for slug in queue.brands:
            if slug not in brands:
                yield f"queue {queue.slug}: there is no brand {slug}"
        required = max(queue.approvals, queue.risky_approvals)
        approvers = [m for m in file.members if m.slug in queue.team and m.at_least("approver") and not m.archived]
        if required and len(approvers) <= required:
            yield f"queue {queue.slug}: at least {required + 1} of its team must be approvers: nobody approves their own reply"
        on_call = tuple(slug for shift in queue.rota for slug in shift.members)
        if ON_CALL in queue.escalation and not on_call:
            yield f"queue {queue.slug}: its escalation notifies who is on call, and there is no rota"
        for slug in (*queue.team, *queue.escalation, *on_call):
            if slug not in members and slug not in CHAIN_STEPS:
                yield f"queue {queue.slug}: there is no member {slug}"
        if not is_time_zone(queue.zone):
            yield f"queue {queue.slug}: there is no time zone {queue.zone}"
        try:
            opening_times(queue.hours)
            clock_time(queue.digest_at)
            for shift in queue.rota:
                weekly_spans({shift.days: shift.hours})
        except ValueError as error:
            yield f"queue {queue.slug}: {error}"


def _member_errors(file: ConfigurationFile) -> Iterator[str]:
    brands = {brand.slug for brand in file.brands}
    members = {member.slug for member in file.members}
    identities: dict[tuple[str, str], str] = {}
    for member in file.members:
        if not is_time_zone(member.zone):
            yield f"member {member.slug}: there is no time zone {member.zone}"
        for slug in member.brands:
            if slug not in brands:
                yield f"member {member.slug}: there is no brand {slug}"
        try:
            weekly_spans(member.quiet_hours)
        except ValueError as error:
            yield f"member {member.slug}: {error}"
        for absence in member.absences:
            if absence.last < absence.first:
                yield f"member {member.slug}: an absence ends before it begins"
            if absence.cover and absence.cover not in members:
                yield f"member {member.slug}: there is no member {absence.cover}"
        for identity in member.identities.items():
            other = identities.setdefault(identity, member.slug)
            if other != member.slug:
                yield f"members {other} and {member.slug} have the same identity on {identity[0]}"


def is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
