"""The context of mentions, fetched in the background: earlier posts of the thread, and the author's profile."""

import pytest
from conftest import Harness

from cards.case_view import CaseView, case_view
from models.errors import Rejected, Unavailable
from models.incoming import ContextRequest, Deletion, IncomingAuthor, ThreadContext
from models.tables.case import Case
from models.tables.mention import Author, Mention
from store import erasure, mentions
from store.mentions import MAX_EARLIER_POSTS
from triage.thread_context import ContextFetcher


class FakeListener:
    """Responds with `response`, or raises it."""

    name = "square"

    def __init__(self, response: ThreadContext | Exception) -> None:
        self.requests: list[ContextRequest] = []
        self.response = response

    async def fetch_context(self, request: ContextRequest) -> ThreadContext:
        self.requests.append(request)
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


async def _fetch(harness: Harness, listener: FakeListener) -> int:
    return await ContextFetcher(harness.store, listener).fetch_batch(harness.configuration, harness.now)


async def _view(harness: Harness, case_id: int) -> CaseView:
    async with harness.store.reading() as session:
        return await case_view(harness.context(session), case_id)


async def test_earlier_posts_are_shown_and_the_authors_reach_counts(harness: Harness):
    case = await harness.case(parent="p0")
    earlier = tuple(harness.post(f"post {n}", "gino") for n in range(MAX_EARLIER_POSTS + 2))
    profile = IncomingAuthor(handle="rita", name="Rita R.", followers=250_000)
    listener = FakeListener(ThreadContext(earlier_posts=earlier, author=profile))
    assert await _fetch(harness, listener) == 1
    view = await _view(harness, case.id)
    nearest = [f"post {n}" for n in range(2, MAX_EARLIER_POSTS + 2)]
    assert [post.text for post in view.latest.mention.earlier_posts] == nearest
    author = await harness.get(Author, case.author_id)
    assert (author.name, view.followers) == ("Rita R.", 250_000)
    assert (await harness.get(Case, case.id)).score > case.score
    assert view.revision == case.revision + 1
    assert listener.requests == [ContextRequest(native_id="p1", thread="p0", parent="p0", author="rita")]
    assert await _fetch(harness, listener) == 0


async def test_a_rejected_request_is_not_repeated(harness: Harness):
    case = await harness.case()
    listener = FakeListener(Rejected("the post is gone"))
    assert [await _fetch(harness, listener), await _fetch(harness, listener)] == [1, 0]
    assert (await _view(harness, case.id)).revision == case.revision


async def test_a_platform_that_is_down_is_tried_again(harness: Harness):
    await harness.case()
    listener = FakeListener(Unavailable("down"))
    with pytest.raises(Unavailable):
        await _fetch(harness, listener)
    listener.response = ThreadContext()
    assert await _fetch(harness, listener) == 1


async def test_nothing_is_fetched_without_a_case_or_for_another_connection(harness: Harness):
    await harness.receive(harness.post("Ferroviola (+)"))
    await harness.analyze()
    assert await _fetch(harness, FakeListener(ThreadContext())) == 0
    await harness.case()
    other = FakeListener(ThreadContext())
    other.name = "elsewhere"
    assert await _fetch(harness, other) == 0


async def test_a_post_deleted_while_its_context_is_fetched_stays_empty(harness: Harness):
    await harness.case(parent="p0")

    class DeletingListener(FakeListener):
        async def fetch_context(self, request: ContextRequest) -> ThreadContext:
            async with harness.store.writing() as session:
                await erasure.erase_deleted(session, Deletion(platform="square", native_id="p1"), harness.now)
            return ThreadContext(earlier_posts=(harness.post("prima"),))

    await _fetch(harness, DeletingListener(ThreadContext()))
    [mention] = await harness.all(Mention)
    assert mention.earlier_posts == ()


async def test_an_edited_post_shows_its_previous_text(harness: Harness):
    post = harness.post("Ferroviola in ritardo (-)")
    await harness.receive(post)
    await harness.analyze()
    [case] = await harness.cases()
    edited = harness.post("Ferroviola cancellato (-)", native_id=post.native_id)
    async with harness.store.writing() as session:
        await mentions.write_edit(session, "square", mentions.MatchedPost(edited, ()), harness.now)
    latest = (await _view(harness, case.id)).latest
    assert (latest.text, latest.previous_text) == ("Ferroviola cancellato (-)", "Ferroviola in ritardo (-)")
