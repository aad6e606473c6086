"""Actions queued by a chat desk."""

from conftest import Harness
from platforms.languagetool import LanguageToolServer

from actions.perform import perform_chat_action
from cards.action_queue import ActionQueue
from cards.outcome import Outcome, PerformedAction
from connections.http import session as http_session
from connections.languagetool import LanguageTool
from models.tables.action import Action
from publishing.grammar import GrammarChecker
from store import queued_actions
from triage import case_actions


class FakeDesk:
    """Collects the outcomes of actions."""

    name = platform = "telegram"

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    async def respond(self, _action: Action, performed: PerformedAction) -> None:
        self.outcomes.append(performed.outcome)


async def test_the_preview_of_a_draft_contains_grammar_remarks(harness: Harness):
    case = await harness.case("Ferroviola in ritardo (-)", language="it")
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    text = "🚆 @rita prenda un altra corsa"
    draft = Action(native_id="1", verb="draft", who="11", chat="-1", case=case.id, text=text)
    async with harness.store.writing() as session:
        await queued_actions.store_actions(session, "telegram", [draft], harness.now)
    desk = FakeDesk()
    async with LanguageToolServer() as server, http_session() as http:
        grammar = GrammarChecker(LanguageTool(http, server.url))
        queue = ActionQueue(harness.store, desk, perform_chat_action, harness.checker, grammar)
        await queue.run_batch(harness.configuration, harness.now)
    [outcome] = desk.outcomes
    assert outcome.preview is not None
    assert "grammar" in [finding.kind for finding in outcome.preview.findings]
