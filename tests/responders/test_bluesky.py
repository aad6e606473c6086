import pytest
from platforms.pds import DID, HANDLE, PASSWORD, Pds

from connections.bluesky import Bluesky
from connections.http import session as http_session
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.reply import Address, Outgoing
from responders.bluesky import BlueskyVoice, facets, record_key

KEY = "c42-1-19ab3c4d5e6"


@pytest.fixture
async def pds():
    async with Pds() as pds:
        yield pds


@pytest.fixture
async def voice(pds: Pds):
    async with http_session() as http:
        connection = Bluesky("bluesky", http, service=pds.url, appview=pds.url, handle=HANDLE, password=PASSWORD)
        yield BlueskyVoice(connection)


def reply(under: str, text: str = "Ci scusiamo", key: str = KEY) -> Outgoing:
    return Outgoing(
        id=1, key=key, text=text, language="it", platform="bluesky", under=under, thread=under, author="rita.example"
    )


async def test_a_reply_stands_under_the_post_and_in_its_thread(pds: Pds, voice: BlueskyVoice):
    root = {"uri": "at://did:plc:x/app.bsky.feed.post/root", "cid": "cid-root"}
    uri = pds.have("did:plc:rita", "p1", "male", {"root": root, "parent": root})
    address = await voice.publish(reply(uri))
    record = pds.records[DID, record_key(KEY)]
    assert record["reply"] == {"root": root, "parent": {"uri": uri, "cid": "cid-p1"}}
    assert (record["text"], record["langs"]) == ("Ci scusiamo", ["it"])
    assert address.url == f"https://bsky.app/profile/{HANDLE}/post/{record_key(KEY)}"


async def test_under_a_first_post_the_post_is_its_own_root(pds: Pds, voice: BlueskyVoice):
    uri = pds.have("did:plc:rita", "p1", "male")
    await voice.publish(reply(uri))
    refs = pds.records[DID, record_key(KEY)]["reply"]
    assert refs["root"] == refs["parent"] == {"uri": uri, "cid": "cid-p1"}


async def test_a_post_that_is_gone_cannot_be_answered(voice: BlueskyVoice):
    with pytest.raises(Rejected, match="not there any more"):
        await voice.publish(reply("at://did:plc:rita/app.bsky.feed.post/gone"))


async def test_a_reply_whose_answer_was_lost_is_found(pds: Pds, voice: BlueskyVoice):
    uri = pds.have("did:plc:rita", "p1", "male")
    assert await voice.find(reply(uri)) == "none"
    pds.lose_answer = True
    with pytest.raises(Uncertain):
        await voice.publish(reply(uri))
    found = await voice.find(reply(uri))
    assert isinstance(found, Address)
    assert found.native_id.endswith(record_key(KEY))


async def test_an_expired_login_is_renewed_in_the_middle(pds: Pds, voice: BlueskyVoice):
    uri = pds.have("did:plc:rita", "p1", "male")
    await voice.connect()
    pds.expire()
    await voice.publish(reply(uri))
    assert "refreshSession" in pds.calls
    assert pds.calls.count("createRecord") == 2


async def test_a_wrong_password_says_where_to_make_one(pds: Pds):
    async with http_session() as http:
        voice = BlueskyVoice(Bluesky("b", http, service=pds.url, appview=pds.url, handle=HANDLE, password="wrong"))
        with pytest.raises(Unauthorized, match="App passwords"):
            await voice.connect()


@pytest.mark.parametrize(
    ("fails", "kind", "wait"),
    [
        ((429, {"error": "RateLimitExceeded"}, {"Retry-After": "30"}), Unavailable, 30),
        ((429, {"error": "RateLimitExceeded"}, {}), Unavailable, None),
        ((503, {}, {}), Unavailable, None),
        ((502, {}, {}), Uncertain, None),
        (
            (400, {"error": "InvalidRequest", "message": "Record/text must not be longer than 300 graphemes"}, {}),
            Rejected,
            None,
        ),
        ((400, {"error": "AccountTakedown"}, {}), Unauthorized, None),
    ],
)
async def test_each_refusal_is_one_of_ours(pds: Pds, voice: BlueskyVoice, fails, kind, wait):
    uri = pds.have("did:plc:rita", "p1", "male")
    pds.fails = [fails]
    with pytest.raises(kind) as error:
        await voice.publish(reply(uri))
    assert type(error.value) is kind
    assert getattr(error.value, "retry_after", None) == wait


def test_record_keys_are_tids_and_differ_by_key():
    keys = {record_key(f"c{n}-1-19ab3c4d5e6") for n in range(200)}
    assert len(keys) == 200
    assert all(len(key) == 13 and set(key) <= set("234567abcdefghijklmnopqrstuvwxyz") for key in keys)
    assert record_key("c1-1-19ab3c4d5e6") < record_key("c1-1-19ab3c4d5e7")


def test_facets_count_bytes_and_only_known_handles():
    text = "è @rita.example e @altri.example: https://ferroviola.example/aiuto."
    found = facets(text, {"rita.example": "did:plc:rita"})
    raw = text.encode()
    pieces = {raw[f["index"]["byteStart"] : f["index"]["byteEnd"]].decode() for f in found}
    assert pieces == {"@rita.example", "https://ferroviola.example/aiuto"}


def test_graphemes_are_what_counts():
    assert BlueskyVoice.capabilities.length("👨‍👩‍👧‍👦" * 300) == 300
