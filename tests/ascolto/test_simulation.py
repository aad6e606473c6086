"""The simulated day of a team: a short one with a kill -9 runs clean, and the audit sees each promise that is broken."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ascolto.simulating import play
from ascolto.simulation.auditing import audit
from ascolto.simulation.playing import Plan

DUE = "UPDATE \"case\" SET first_answer_due = heard_at; DELETE FROM case_event WHERE kind IN ('late', 'approved')"
DAY = Plan(managers=6, hours=0.25, seed=5, cases_an_hour=120)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("day")
    assert play(folder, DAY, kills=True) == 1
    return folder


def test_a_day_with_a_kill_runs_clean(day: Path):
    report = asyncio.run(audit(day, killed=1))
    assert report.broken == []
    assert report.cases >= 15
    assert report.answered + report.dismissed == report.cases
    assert report.tally["clicks told twice"]
    assert all(0 < one.most <= one.limit for one in report.traffic)


@pytest.mark.parametrize(
    ("file", "statement", "said"),
    [
        ("far", "INSERT INTO post (author, text, language, at) VALUES ('a', 'b', 'it', 0)", "never heard"),
        ("far", "INSERT INTO said (key, under, text, at) SELECT key, under, text, at FROM said LIMIT 1", "2 times"),
        ("far", "DELETE FROM said WHERE number = 1", "stands nowhere"),
        ("far", "UPDATE said SET text = 'another' WHERE number = 1", "says otherwise"),
        ("far", "UPDATE message SET revision = 0 WHERE subject = 'case'", "not true any more"),
        ("far", "UPDATE message SET subject_id = 1, chat = 'slack-it', desk = 'slack'", "stand twice"),
        ("ascolto", "UPDATE mention_brand SET case_id = NULL WHERE sentiment = 'negative'", "without a case"),
        ("ascolto", "UPDATE reply SET approved_by = NULL", "nobody's yes"),
        ("ascolto", "DELETE FROM approval; UPDATE reply SET approved_by = author_id", "author's yes alone"),
        ("ascolto", DUE, "nobody was told"),
        ("ascolto", "UPDATE case_event SET kind = 'claimed', member_id = 99 WHERE kind = 'proposed'", "claimed by two"),
        ("ascolto", "UPDATE \"case\" SET state = 'waiting' WHERE id = 1", "still open"),
        ("ascolto", "UPDATE reply SET state = 'sending' WHERE id = 1", "still on their way"),
    ],
)
def test_the_audit_sees_a_broken_promise(day: Path, tmp_path: Path, file: str, statement: str, said: str):
    broken = shutil.copytree(day, tmp_path / "broken")
    with closing(sqlite3.connect(broken / f"{file}.db")) as database, database:
        database.executescript(statement)
        assert database.total_changes
    assert said in "\n".join(asyncio.run(audit(broken, killed=1)).broken)
