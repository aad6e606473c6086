"""The simulated day of a team: a short one with a kill -9 has no violation, and the audit reports every kind of violation."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ascolto.commands.simulate import play
from ascolto.simulation.audit import audit
from ascolto.simulation.run import Plan

DUE = "UPDATE \"case\" SET first_answer_due = received_at; DELETE FROM case_event WHERE kind IN ('overdue', 'approved')"
PUBLISH_TWICE = "INSERT INTO reply (key, in_reply_to, text, at) SELECT key, in_reply_to, text, at FROM reply LIMIT 1"
CLAIM_TWICE = "UPDATE case_event SET kind = 'claimed', member_id = 99 WHERE kind = 'approval requested'"
DAY = Plan(managers=6, hours=0.25, seed=5, cases_an_hour=120)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("day")
    assert play(folder, DAY, kills=True) == 1
    return folder


def test_a_day_with_a_kill_has_no_violation(day: Path):
    report = asyncio.run(audit(day, killed=1))
    assert report.violations == []
    assert report.cases >= 15
    assert report.answered + report.dismissed == report.cases
    assert report.counts["clicks delivered twice"]
    assert all(0 < chat.peak <= chat.limit for chat in report.traffic)


@pytest.mark.parametrize(
    ("file", "statement", "violation"),
    [
        ("outside", "INSERT INTO post (author, text, language, at) VALUES ('a', 'b', 'it', 0)", "posts lost"),
        ("outside", PUBLISH_TWICE, "2 times"),
        ("outside", "DELETE FROM reply WHERE number = 1", "is not public"),
        ("outside", "UPDATE reply SET text = 'another' WHERE number = 1", "another text than is stored"),
        ("outside", "UPDATE message SET revision = 0 WHERE subject = 'case'", "cards are outdated"),
        ("outside", "UPDATE message SET subject_id = 1, chat = 'slack-it', desk = 'slack'", "exist twice"),
        ("ascolto", "UPDATE mention_brand SET case_id = NULL WHERE sentiment = 'negative'", "without a case"),
        ("ascolto", "UPDATE reply SET approved_by = NULL", "without an approval"),
        ("ascolto", "DELETE FROM approval; UPDATE reply SET approved_by = author_id", "author's approval alone"),
        ("ascolto", DUE, "nobody was notified"),
        ("ascolto", CLAIM_TWICE, "claimed by two"),
        ("ascolto", "UPDATE \"case\" SET state = 'waiting' WHERE id = 1", "still open"),
        ("ascolto", "UPDATE reply SET state = 'sending' WHERE id = 1", "still being published"),
    ],
)
def test_the_audit_reports_a_violation(day: Path, tmp_path: Path, file: str, statement: str, violation: str):
    violated = shutil.copytree(day, tmp_path / "violated")
    with closing(sqlite3.connect(violated / f"{file}.db")) as database, database:
        database.executescript(statement)
        assert database.total_changes
    assert violation in "\n".join(asyncio.run(audit(violated, killed=1)).violations)
