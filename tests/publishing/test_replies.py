"""Drafts, and replies that a member publishes themselves."""

import pytest
from conftest import Harness

from models.errors import Refused
from models.tables.case import Case
from models.tables.reply import Reply
from publishing import approvals, replies
from triage import case_actions


async def test_saving_the_same_text_again_is_no_new_revision(harness: Harness):
    case = await harness.case()
    ana = harness.member("ana")
    await harness.do(case_actions.claim, case.id, ana)
    first = await harness.do(replies.save_draft, case.id, ana, "Ci scusiamo.")
    second = await harness.do(replies.save_draft, case.id, ana, "Ci scusiamo.")
    assert (second.id, second.revision) == (first.id, first.revision)


async def test_a_reply_on_a_platform_without_a_responder_is_copied_and_stored_as_published(harness: Harness):
    case = await harness.case(platform="x")
    ana = harness.member("ana")
    reply = await harness.do(replies.save_draft, case.id, ana, "Ci scusiamo molto.")
    with pytest.raises(Refused, match="copy the reply and open the post"):
        await harness.do(approvals.approve, reply.id, reply.revision, ana)
    await harness.do(replies.mark_answered, case.id, ana, "https://x.example/1")
    published = await harness.get(Reply, reply.id)
    assert (published.state, published.approved_by, published.url) == ("published", ana, "https://x.example/1")
    assert (await harness.get(Case, case.id)).state == "answered"
