import asyncio

import pytest
from platforms.telegram import TOKEN, BotApi

from connections.telegram import Telegram
from listener.telegram import PRIVACY, TelegramEar
from models.errors import Unauthorized, Unavailable
from models.post import Heard


@pytest.fixture
async def api():
    async with BotApi() as api:
        yield api


def connection_to(api: BotApi, token: str = TOKEN, readers=("ear",)) -> Telegram:
    return Telegram("telegram", token, base_url=api.base_url, base_file_url=api.base_url, poll=1, readers=readers)


@pytest.fixture
async def ear(api: BotApi):
    ear = TelegramEar(connection_to(api))
    yield ear
    await ear.close()


async def something(listening) -> Heard:
    async with asyncio.timeout(5):
        while True:
            heard = await anext(listening)
            if heard.posts or heard.edits:
                return heard


async def test_a_group_is_heard_with_its_threads(api: BotApi, ear: TelegramEar):
    first = api.write(text="Ferroviola in ritardo")
    api.write(text="anche a me", user=22, under=first, message_thread_id=first["message_id"])
    listening = ear.listen(None)
    one, two = (await something(listening)).posts
    assert (one.native_id, one.text, one.author.handle, one.place) == (
        f"-1002:{first['message_id']}", "Ferroviola in ritardo", "person21", "-1002",
    )  # fmt: skip
    assert (two.thread, two.parent, [p.text for p in two.before]) == (one.native_id, one.native_id, [one.text])
    await listening.aclose()


async def test_an_edit_is_heard(api: BotApi, ear: TelegramEar):
    api.edit(api.write(text="in ritardo"), "cancellato")
    listening = ear.listen(None)
    heard = await something(listening)
    assert ([p.text for p in heard.posts], [p.text for p in heard.edits]) == (["in ritardo"], ["cancellato"])
    await listening.aclose()


async def test_what_speaks_to_the_bot_is_known(api: BotApi, ear: TelegramEar):
    bots = {"message_id": 7, "date": 1, "chat": {"id": -1002, "type": "supergroup"}, "text": "?"}
    bots["from"] = {"id": 1234567, "is_bot": True, "first_name": "Ascolto"}
    api.write(text="@Ascolto_bot mi senti?", entities=[{"type": "mention", "offset": 0, "length": 12}])
    api.write(text="no", under=bots)
    api.write(chat=21, text="in privato")
    api.write(text="tra noi")
    listening = ear.listen(None)
    posts = (await something(listening)).posts
    assert [p.to_us for p in posts] == [True, True, True, False]
    assert posts[2].thread == "21"
    await listening.aclose()


async def test_comments_under_a_channel_stand_in_one_thread(api: BotApi, ear: TelegramEar):
    channel = {"id": -1009, "type": "channel", "title": "Ferroviola"}
    copy = api.write(text="Nuovi orari", sender_chat=channel, is_automatic_forward=True)
    api.write(text="e i bus?", under=copy, message_thread_id=copy["message_id"])
    listening = ear.listen(None)
    [comment] = (await something(listening)).posts
    assert (comment.text, comment.thread) == ("e i bus?", f"-1002:{copy['message_id']}")
    assert [(p.author.name, p.text) for p in comment.before] == [("Ferroviola", "Nuovi orari")]
    await listening.aclose()


async def test_a_forums_topic_is_no_thread(api: BotApi, ear: TelegramEar):
    notice = {"message_id": 50, "date": 1, "chat": {"id": -1002, "type": "supergroup"}}
    api.write(text="nel tema", message_thread_id=50, is_topic_message=True, under=notice)
    listening = ear.listen(None)
    [post] = (await something(listening)).posts
    assert (post.thread, post.parent) == ("", None)
    await listening.aclose()


async def test_whoever_writes_as_the_group_is_ours_and_other_bots_are_nobody(api: BotApi, ear: TelegramEar):
    api.write(text="avviso", sender_chat={"id": -1002, "type": "supergroup", "title": "Pendolari"})
    api.write(text="pubblicità", **{"from": {"id": 99, "is_bot": True, "first_name": "Bot"}})
    listening = ear.listen(None)
    assert [(p.text, p.ours) for p in (await something(listening)).posts] == [("avviso", True)]
    await listening.aclose()


async def test_pictures_and_files_are_named_and_notices_are_nothing(api: BotApi, ear: TelegramEar):
    size = {"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}
    api.write(caption="guardate", photo=[size])
    api.write(document={"file_id": "f", "file_unique_id": "u", "file_name": "foto.pdf"})
    api.write(new_chat_title="altro nome")
    api.write(chat=21, text="/start")
    listening = ear.listen(None)
    posts = (await something(listening)).posts
    assert [(p.text, [(m.kind, m.alt, m.url) for m in p.media]) for p in posts] == [
        ("guardate", [("image", "", "")]),
        ("", [("file", "foto.pdf", "")]),
    ]
    await listening.aclose()


async def test_what_was_not_written_down_is_given_again(api: BotApi, ear: TelegramEar):
    api.write(text="uno")
    listening = ear.listen(None)
    first = await something(listening)
    await listening.aclose()  # not asked for more: not confirmed
    api.write(text="due")
    again = ear.listen(None)
    heard = [*(await something(again)).posts, *(await something(again)).posts]
    assert [p.text for p in heard] == ["uno", "due"]
    await again.aclose()
    after = ear.listen(first.bookmark)
    assert [p.text for p in (await something(after)).posts] == ["due"]
    await after.aclose()


async def test_an_update_that_cannot_be_read_holds_up_nobody(api: BotApi, ear: TelegramEar):
    api.write(text="prima")
    api.raw_update(message={"message_id": "x"})
    api.raw_update(message=3)
    api.raw_update(something_new={"a": 1})
    api.write(text="dopo " + "x" * 1_000_000)
    listening = ear.listen(None)
    posts = (await something(listening)).posts
    assert [p.text[:5].strip() for p in posts] == ["prima", "dopo"]
    await listening.aclose()


async def test_two_readers_of_one_bot_hear_everything_once_each(api: BotApi):
    connection = connection_to(api, readers=("ear", "desk"))
    ear = connection.updates("ear", None)
    desk = connection.updates("desk", None)
    api.write(text="uno")

    async def texts(reading, count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            found += [update.message.text for update in (await anext(reading))[1]]
        return found

    async with asyncio.timeout(10):
        assert await asyncio.gather(texts(ear, 1), texts(desk, 1)) == [["uno"], ["uno"]]
        api.write(text="due")
        slow = asyncio.ensure_future(texts(ear, 1))
        await asyncio.sleep(0.05)
        assert api._confirmed == 0  # the desk has not written down yet
        assert await texts(desk, 1) == ["due"]
        assert await slow == ["due"]
    await ear.aclose()
    await desk.aclose()
    await connection.close()


async def test_privacy_mode_is_told_to_the_operator(api: BotApi, ear: TelegramEar):
    assert await ear.connect() is None
    api.reads_all = False
    hidden = TelegramEar(connection_to(api))
    assert await hidden.connect() == PRIVACY
    await hidden.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {"description": "Unauthorized"}), Unauthorized),
        ((409, {"description": "Conflict: terminated by other getUpdates request"}), Unauthorized),
        ((429, {"description": "Too Many Requests", "parameters": {"retry_after": 7}}), Unavailable),
        ((502, {"description": "Bad Gateway"}), Unavailable),
    ],
)
async def test_every_refusal_is_one_of_ours(api: BotApi, ear: TelegramEar, answer, error):
    await ear.connect()
    api.poll_fails = [answer]
    with pytest.raises(error):
        await anext(ear.listen(None))


async def test_offline_at_the_start_and_back_later(api: BotApi, ear: TelegramEar):
    await api.stop()
    with pytest.raises(Unavailable):
        await ear.connect()
    await api.start()
    await ear.connect()


async def test_numbers_that_begin_anew_after_a_quiet_week_are_followed(api: BotApi, ear: TelegramEar):
    listening = ear.listen(str(10**9))
    api._ignores_offset_above = 10**8  # as the real one does with an offset that was never given
    api.write(text="di nuovo")
    heard = await something(listening)
    assert ([p.text for p in heard.posts], int(heard.bookmark) < 10**6) == (["di nuovo"], True)
    api.write(text="ancora")
    assert [p.text for p in (await something(listening)).posts] == ["ancora"]
    await listening.aclose()
