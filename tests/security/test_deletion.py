"""After a deletion on the platform no word of the text is left: in no table, index, file, copy, or chat."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import Harness
from platforms.telegram import BotApi
from sqlalchemy import select, text

from cards.card_sync import CardSync
from connections.telegram import Telegram
from desk.telegram import TelegramDesk
from models.configuration import Chat
from models.incoming import Deletion
from models.tables.action import Action
from models.tables.base import Base
from publishing import replies
from store import schema
from store.engine import Store
from store.erasure import erase_deleted, purge
from store.mentions import MatchedPost, write_edit
from store.queued_actions import store_actions
from triage import case_actions
from triage.classification import Classification

SECRET = "qzxwvkjhg"
"""A word that shares no beginning with another: the search index stores only where a word differs from the one before."""
POST = f"Ferroviola: chiamo il mio avvocato, {SECRET} (-)"


async def delete(harness: Harness, native_id: str = "p1") -> None:
    async with harness.store.writing() as session:
        result = await erase_deleted(session, Deletion(platform="square", native_id=native_id), harness.now)
    assert result.deleted == 1


async def places(store: Store) -> set[str]:
    """The columns that contain the word, in every table."""
    found = set()
    async with store.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in (await session.execute(select(table))).mappings():
                found |= {f"{table.name}.{key}" for key, value in row.items() if SECRET in str(value)}
    return found


def files_with(word: str, path: Path) -> list[str]:
    """Which of the database's files contain the word."""
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    return sorted(file.name for file in files if word.encode() in file.read_bytes())


async def case_with_a_past(harness: Harness) -> None:
    """A severe case with an edit, a draft, and an alert, all with the word."""
    post = harness.post(POST)
    await harness.receive(post)
    await harness.analyze()
    await harness.do(case_actions.claim, 1, harness.member("ana"))
    await harness.do(replies.save_draft, 1, harness.member("ana"), f"Ci scusiamo per {SECRET}. Vecchio testo.")
    await harness.do(replies.save_draft, 1, harness.member("ana"), f"Ci scusiamo per {SECRET}")
    edited = harness.post(f"{POST} e ancora {SECRET}tutti", native_id=post.native_id)
    async with harness.store.writing() as session:
        await write_edit(session, "square", MatchedPost(edited, ()), harness.now)
    await harness.analyze()


async def test_no_table_and_no_search_finds_a_word_of_it(harness: Harness):
    await case_with_a_past(harness)
    assert {"mention.text", "mention_version.text", "reply.text"} <= await places(harness.store)
    await delete(harness)
    assert await places(harness.store) == set()
    async with harness.store.reading() as session:
        match = text("SELECT rowid FROM mention_search WHERE mention_search MATCH :word")
        assert (await session.execute(match, {"word": f"{SECRET}*"})).first() is None


async def test_no_file_of_the_database_has_a_word_of_it_after_the_purge(harness: Harness):
    await case_with_a_past(harness)
    assert files_with(SECRET, harness.store.path)
    await delete(harness)
    assert await purge(harness.store)
    assert files_with(SECRET, harness.store.path) == []


async def test_a_purge_while_somebody_reads_is_made_up_for(harness: Harness):
    """The log cannot be emptied while an older reader needs it; the next purge does what this one could not."""
    await case_with_a_past(harness)
    reader = sqlite3.connect(harness.store.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM mention").fetchone()
    await delete(harness)
    await purge_soon(harness.store)
    reader.execute("COMMIT")
    reader.close()
    await purge(harness.store)
    assert files_with(SECRET, harness.store.path) == []


async def purge_soon(store: Store) -> None:
    """A purge that does not wait ten seconds for a reader."""
    async with store._writer.connect() as connection:
        await connection.exec_driver_sql("PRAGMA busy_timeout=100")
        await connection.rollback()
    await purge(store)


async def test_a_crash_during_the_purge_is_made_up_for(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    async def killed(_store: Store) -> None:
        raise KeyboardInterrupt

    await case_with_a_past(harness)
    await delete(harness)
    monkeypatch.setattr(Store, "truncate_log", killed)
    with pytest.raises(KeyboardInterrupt):
        await purge(harness.store)
    monkeypatch.undo()
    await purge(harness.store)
    assert files_with(SECRET, harness.store.path) == []


@pytest.mark.parametrize("purged", [True, False], ids=["after the purge", "before the purge"])
async def test_a_backup_made_afterwards_has_no_word_of_it(harness: Harness, tmp_path: Path, *, purged: bool):
    """Before the purge too: a copy is kept for years, and nothing purges it."""
    await case_with_a_past(harness)
    await delete(harness)
    if purged:
        await purge(harness.store)
    schema.backup(harness.store.path, tmp_path / "copy.db")
    assert files_with(SECRET, tmp_path / "copy.db") == []


async def test_a_proposal_that_quotes_it_leaves_no_alert_with_the_quotation(harness: Harness):
    from models.configuration import ConfigurationFile, Member
    from publishing import approvals

    approvers = (Member(slug="dora", name="Dora", role="approver"), Member(slug="elio", name="Elio", role="approver"))
    await harness.apply(ConfigurationFile(members=approvers))
    await harness.change_queue("trains", team=("ana", "dora", "elio"), approvals=1)
    case = await harness.case(POST)
    ana = harness.member("ana")
    await harness.do(case_actions.claim, case.id, ana)
    reply = await harness.do(replies.save_draft, case.id, ana, f"Ci scusiamo per «{SECRET}».")
    await harness.do(approvals.approve, reply.id, reply.revision, ana)
    assert "alert.text" in await places(harness.store)
    await delete(harness)
    assert await places(harness.store) == set()


async def test_a_draft_typed_in_a_chat_is_erased_where_the_chat_brought_it(harness: Harness):
    await harness.case(POST)
    typed = Action(native_id="1", verb="draft", who="11", chat="1", case=1, text=f"Ci scusiamo per {SECRET}")
    async with harness.store.writing() as session:
        await store_actions(session, "telegram", [typed], harness.now)
    await delete(harness)
    assert await places(harness.store) == set()


async def test_a_mention_that_could_not_be_analyzed_leaves_no_word_among_the_failed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    def reading(texts: list[str], *_: object) -> None:
        raise ValueError(f"cannot read {texts}")

    monkeypatch.setattr(harness.classification.reader, "read", reading)
    await harness.receive(harness.post(POST))
    classification: Classification = harness.classification
    for _ in range(4):
        await classification.analyze_batch(harness.configuration, harness.now)
    await delete(harness)
    assert await places(harness.store) == set()


class Chats:
    """A Telegram desk on a server on loopback."""

    def __init__(self, harness: Harness, api: BotApi) -> None:
        connection = Telegram("telegram", api.token, base_url=api.base_url, base_file_url=api.base_url, poll=0)
        self.harness, self.api = harness, api
        self.desk = TelegramDesk(connection)
        self._sync = CardSync(harness.store, self.desk)

    async def update(self) -> None:
        while await self._sync.update_cards(self.harness.configuration, self.harness.now):
            pass

    def with_word(self) -> list[str]:
        return [m["html"] for m in self.api.messages.values() if SECRET in m["html"] + m["text"]]


@pytest.fixture
async def chats(harness: Harness) -> AsyncIterator[Chats]:
    await harness.change_queue("trains", chats=(Chat(desk="telegram", chat="-1001"),), language="it")
    async with BotApi() as api:
        chats = Chats(harness, api)
        yield chats
        await chats.desk.close()


async def test_cards_and_alerts_in_a_chat_are_redrawn_without_it(harness: Harness, chats: Chats):
    await harness.case(POST)
    await chats.update()
    assert len(chats.with_word()) >= 2, "the card and the alert show the text"
    await delete(harness)
    await chats.update()
    assert chats.with_word() == []


async def test_alerts_of_every_kind_are_redrawn_without_it(harness: Harness, chats: Chats):
    case = await harness.case(POST)
    ana = harness.member("ana")
    await harness.do(case_actions.escalate, case.id, ana, "serve un capo")
    await harness.do(case_actions.add_note, case.id, ana, "guarda @bruno")
    await chats.update()
    assert len(chats.with_word()) >= 2
    await delete(harness)
    await chats.update()
    assert chats.with_word() == []


async def test_a_handover_is_redrawn_without_it(harness: Harness, chats: Chats):
    place = (Chat(desk="telegram", chat="-1002"),)
    await harness.change_queue("trains", direct_contact=place)
    case = await harness.case(POST)
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    await harness.do(case_actions.dismiss, case.id, harness.member("ana"), "direct-contact")
    await chats.update()
    assert "-1002" in {chat for chat, _ in chats.api.messages}
    await delete(harness)
    await chats.update()
    assert chats.with_word() == []
