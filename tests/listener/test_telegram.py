import asyncio

import pytest
from platforms.telegram import TOKEN, BotApi

from connections.telegram import Telegram
from listener.telegram import PRIVACY, TelegramListener
from models.errors import Unauthorized, Unavailable
from models.incoming import ListenerBatch


@pytest.fixture
async def api():
    async with BotApi() as api:
        yield api


def connection_to(api: BotApi, token: str = TOKEN, readers=("listener",)) -> Telegram:
    return Telegram("telegram", token, base_url=api.base_url, base_file_url=api.base_url, poll=1, readers=readers)


@pytest.fixture
async def listener(api: BotApi):
    listener = TelegramListener(connection_to(api))
    yield listener
    await listener.close()


async def next_batch(listening) -> ListenerBatch:
    """The next batch that is not empty."""
    async with asyncio.timeout(5):
        while True:
            batch = await anext(listening)
            if batch.posts or batch.edits:
                return batch


async def test_group_messages_are_received_with_their_threads(api: BotApi, listener: TelegramListener):
    first = api.write(text="Ferroviola in ritardo")
    api.write(text="anche a me", user=22, in_reply_to=first, message_thread_id=first["message_id"])
    listening = listener.listen(None)
    post, comment = (await next_batch(listening)).posts
    assert (post.native_id, post.text, post.author.handle, post.channel) == (
        f"-1002:{first['message_id']}", "Ferroviola in ritardo", "person21", "-1002",
    )  # fmt: skip
    assert (comment.thread, comment.parent) == (post.native_id, post.native_id)
    assert [p.text for p in comment.earlier_posts] == [post.text]
    await listening.aclose()


async def test_an_edit_is_received(api: BotApi, listener: TelegramListener):
    api.edit(api.write(text="in ritardo"), "cancellato")
    listening = listener.listen(None)
    batch = await next_batch(listening)
    assert ([p.text for p in batch.posts], [p.text for p in batch.edits]) == (["in ritardo"], ["cancellato"])
    await listening.aclose()


async def test_messages_that_address_the_bot_are_marked(api: BotApi, listener: TelegramListener):
    from_bot = {"message_id": 7, "date": 1, "chat": {"id": -1002, "type": "supergroup"}, "text": "?"}
    from_bot["from"] = {"id": 1234567, "is_bot": True, "first_name": "Ascolto"}
    api.write(text="@Ascolto_bot mi senti?", entities=[{"type": "mention", "offset": 0, "length": 12}])
    api.write(text="no", in_reply_to=from_bot)
    api.write(chat=21, text="in privato")
    api.write(text="tra noi")
    listening = listener.listen(None)
    posts = (await next_batch(listening)).posts
    assert [p.addresses_us for p in posts] == [True, True, True, False]
    assert posts[2].thread == "21"
    await listening.aclose()


async def test_comments_on_a_channels_post_are_one_thread(api: BotApi, listener: TelegramListener):
    channel = {"id": -1009, "type": "channel", "title": "Ferroviola"}
    copy = api.write(text="Nuovi orari", sender_chat=channel, is_automatic_forward=True)
    api.write(text="e i bus?", in_reply_to=copy, message_thread_id=copy["message_id"])
    listening = listener.listen(None)
    [comment] = (await next_batch(listening)).posts
    assert (comment.text, comment.thread) == ("e i bus?", f"-1002:{copy['message_id']}")
    assert [(p.author.name, p.text) for p in comment.earlier_posts] == [("Ferroviola", "Nuovi orari")]
    await listening.aclose()


async def test_a_forum_topic_is_not_a_thread(api: BotApi, listener: TelegramListener):
    notice = {"message_id": 50, "date": 1, "chat": {"id": -1002, "type": "supergroup"}}
    api.write(text="nel tema", message_thread_id=50, is_topic_message=True, in_reply_to=notice)
    listening = listener.listen(None)
    [post] = (await next_batch(listening)).posts
    assert (post.thread, post.parent) == ("", None)
    await listening.aclose()


async def test_messages_of_the_group_itself_are_ours_and_other_bots_are_ignored(
    api: BotApi, listener: TelegramListener
):
    api.write(text="avviso", sender_chat={"id": -1002, "type": "supergroup", "title": "Pendolari"})
    api.write(text="pubblicità", **{"from": {"id": 99, "is_bot": True, "first_name": "Bot"}})
    listening = listener.listen(None)
    assert [(p.text, p.ours) for p in (await next_batch(listening)).posts] == [("avviso", True)]
    await listening.aclose()


async def test_media_have_no_addresses_and_notices_and_commands_are_ignored(api: BotApi, listener: TelegramListener):
    size = {"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}
    api.write(caption="guardate", photo=[size])
    api.write(document={"file_id": "f", "file_unique_id": "u", "file_name": "foto.pdf"})
    api.write(new_chat_title="altro nome")
    api.write(chat=21, text="/start")
    listening = listener.listen(None)
    posts = (await next_batch(listening)).posts
    assert [(p.text, [(m.kind, m.alt, m.url) for m in p.media]) for p in posts] == [
        ("guardate", [("image", "", "")]),
        ("", [("file", "foto.pdf", "")]),
    ]
    await listening.aclose()


async def test_a_batch_that_was_not_stored_is_received_again(api: BotApi, listener: TelegramListener):
    api.write(text="uno")
    listening = listener.listen(None)
    first = await next_batch(listening)
    await listening.aclose()  # not resumed: not confirmed
    api.write(text="due")
    again = listener.listen(None)
    posts = [*(await next_batch(again)).posts, *(await next_batch(again)).posts]
    assert [p.text for p in posts] == ["uno", "due"]
    await again.aclose()
    after = listener.listen(first.cursor)
    assert [p.text for p in (await next_batch(after)).posts] == ["due"]
    await after.aclose()


async def test_an_unreadable_update_does_not_block_later_ones(api: BotApi, listener: TelegramListener):
    api.write(text="prima")
    api.raw_update(message={"message_id": "x"})
    api.raw_update(message=3)
    api.raw_update(something_new={"a": 1})
    api.write(text="dopo " + "x" * 1_000_000)
    listening = listener.listen(None)
    posts = (await next_batch(listening)).posts
    assert [p.text[:5].strip() for p in posts] == ["prima", "dopo"]
    await listening.aclose()


async def test_two_readers_of_one_bot_each_receive_everything_once(api: BotApi):
    connection = connection_to(api, readers=("listener", "desk"))
    listener = connection.updates("listener", None)
    desk = connection.updates("desk", None)
    api.write(text="uno")

    async def texts(updates, count: int) -> list[str]:
        received: list[str] = []
        while len(received) < count:
            received += [update.message.text for update in (await anext(updates))[1]]
        return received

    async with asyncio.timeout(10):
        assert await asyncio.gather(texts(listener, 1), texts(desk, 1)) == [["uno"], ["uno"]]
        api.write(text="due")
        waiting = asyncio.ensure_future(texts(listener, 1))
        await asyncio.sleep(0.05)
        assert api.confirmed_offset == 0  # the desk has not stored the first one yet
        assert await texts(desk, 1) == ["due"]
        assert await waiting == ["due"]
    await listener.aclose()
    await desk.aclose()
    await connection.close()


async def test_privacy_mode_is_reported_to_the_operator(api: BotApi, listener: TelegramListener):
    assert await listener.connect() is None
    api.reads_all = False
    limited = TelegramListener(connection_to(api))
    assert await limited.connect() == PRIVACY
    await limited.close()


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ((401, {"description": "Unauthorized"}), Unauthorized),
        ((409, {"description": "Conflict: terminated by other getUpdates request"}), Unauthorized),
        ((429, {"description": "Too Many Requests", "parameters": {"retry_after": 7}}), Unavailable),
        ((502, {"description": "Bad Gateway"}), Unavailable),
    ],
)
async def test_every_error_response_becomes_an_edge_error(api: BotApi, listener: TelegramListener, response, error):
    await listener.connect()
    api.poll_failures = [response]
    with pytest.raises(error):
        await anext(listener.listen(None))


async def test_a_server_that_is_down_at_the_start_is_unavailable_until_it_is_back(
    api: BotApi, listener: TelegramListener
):
    await api.stop()
    with pytest.raises(Unavailable):
        await listener.connect()
    await api.start()
    await listener.connect()


async def test_update_ids_that_start_again_from_a_lower_number_are_followed(api: BotApi, listener: TelegramListener):
    listening = listener.listen(str(10**9))
    api.max_offset = 10**8  # Telegram ignores an offset that it never issued
    api.write(text="di nuovo")
    batch = await next_batch(listening)
    assert ([p.text for p in batch.posts], int(batch.cursor) < 10**6) == (["di nuovo"], True)
    api.write(text="ancora")
    assert [p.text for p in (await next_batch(listening)).posts] == ["ancora"]
    await listening.aclose()
