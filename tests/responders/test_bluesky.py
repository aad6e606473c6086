import pytest
from platforms.pds import DID, HANDLE, PASSWORD, Pds

from connections.bluesky import Bluesky
from connections.http import session as http_session
from models.errors import Rejected, Unauthorized, Unavailable, Uncertain
from models.outgoing import Address, Outgoing
from responders.bluesky import BlueskyResponder, facets, record_key

KEY = "c42-1-19ab3c4d5e6"


@pytest.fixture
async def pds():
    async with Pds() as pds:
        yield pds


@pytest.fixture
async def responder(pds: Pds):
    async with http_session() as http:
        connection = Bluesky("bluesky", http, service=pds.url, appview=pds.url, handle=HANDLE, password=PASSWORD)
        yield BlueskyResponder(connection)


def reply_to(uri: str, text: str = "Ci scusiamo", key: str = KEY) -> Outgoing:
    return Outgoing(
        id=1,
        key=key,
        text=text,
        language="it",
        platform="bluesky",
        in_reply_to=uri,
        thread=uri,
        author="rita.example",
    )


async def test_a_reply_refers_to_the_post_and_to_its_thread(pds: Pds, responder: BlueskyResponder):
    root = {"uri": "at://did:plc:x/app.bsky.feed.post/root", "cid": "cid-root"}
    uri = pds.add_post("did:plc:rita", "p1", "male", {"root": root, "parent": root})
    address = await responder.publish(reply_to(uri))
    record = pds.records[DID, record_key(KEY)]
    assert record["reply"] == {"root": root, "parent": {"uri": uri, "cid": "cid-p1"}}
    assert (record["text"], record["langs"]) == ("Ci scusiamo", ["it"])
    assert address.url == f"https://bsky.app/profile/{HANDLE}/post/{record_key(KEY)}"


async def test_in_a_reply_to_the_first_post_it_is_parent_and_root(pds: Pds, responder: BlueskyResponder):
    uri = pds.add_post("did:plc:rita", "p1", "male")
    await responder.publish(reply_to(uri))
    refs = pds.records[DID, record_key(KEY)]["reply"]
    assert refs["root"] == refs["parent"] == {"uri": uri, "cid": "cid-p1"}


async def test_a_deleted_post_cannot_be_answered(responder: BlueskyResponder):
    with pytest.raises(Rejected, match="no longer exists"):
        await responder.publish(reply_to("at://did:plc:rita/app.bsky.feed.post/gone"))


async def test_a_reply_whose_response_was_lost_is_looked_up(pds: Pds, responder: BlueskyResponder):
    uri = pds.add_post("did:plc:rita", "p1", "male")
    assert await responder.find(reply_to(uri)) == "none"
    pds.lose_response = True
    with pytest.raises(Uncertain):
        await responder.publish(reply_to(uri))
    address = await responder.find(reply_to(uri))
    assert isinstance(address, Address)
    assert address.native_id.endswith(record_key(KEY))


async def test_an_expired_access_token_is_refreshed(pds: Pds, responder: BlueskyResponder):
    uri = pds.add_post("did:plc:rita", "p1", "male")
    await responder.connect()
    pds.expire()
    await responder.publish(reply_to(uri))
    assert "refreshSession" in pds.calls
    assert pds.calls.count("createRecord") == 2


async def test_the_error_of_a_wrong_password_has_the_fix(pds: Pds):
    async with http_session() as http:
        responder = BlueskyResponder(
            Bluesky("b", http, service=pds.url, appview=pds.url, handle=HANDLE, password="wrong")
        )
        with pytest.raises(Unauthorized, match="App passwords"):
            await responder.connect()


@pytest.mark.parametrize(
    ("failure", "error", "wait"),
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
async def test_http_errors_become_edge_errors(pds: Pds, responder: BlueskyResponder, failure, error, wait):
    uri = pds.add_post("did:plc:rita", "p1", "male")
    pds.failures = [failure]
    with pytest.raises(error) as raised:
        await responder.publish(reply_to(uri))
    assert type(raised.value) is error
    assert getattr(raised.value, "retry_after", None) == wait


def test_record_keys_are_tids_and_differ_by_key():
    keys = {record_key(f"c{n}-1-19ab3c4d5e6") for n in range(200)}
    assert len(keys) == 200
    assert all(len(key) == 13 and set(key) <= set("234567abcdefghijklmnopqrstuvwxyz") for key in keys)
    assert record_key("c1-1-19ab3c4d5e6") < record_key("c1-1-19ab3c4d5e7")


def test_facets_have_byte_positions_and_only_handles_with_a_did():
    text = "è @rita.example e @altri.example: https://ferroviola.example/aiuto."
    positions = [facet["index"] for facet in facets(text, {"rita.example": "did:plc:rita"})]
    raw = text.encode()
    assert {raw[p["byteStart"] : p["byteEnd"]].decode() for p in positions} == {
        "@rita.example",
        "https://ferroviola.example/aiuto",
    }


def test_length_is_counted_in_graphemes():
    assert BlueskyResponder.capabilities.length("👨‍👩‍👧‍👦" * 300) == 300
