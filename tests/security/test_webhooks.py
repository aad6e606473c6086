"""Senders of webhooks: what each brings is its own brand's, a replay changes nothing, and away is not never."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select

from ascolto import workers
from ascolto.application import Application
from connections.signatures import sign
from connections.webhooks import WebhookServer
from listener.webhook import WebhookListener
from models.configuration import Brand, BrandQuery, ConfigurationFile
from models.incoming import IncomingAuthor, IncomingPost, ListenerBatch
from models.sentiment import load
from models.tables.mention import Mention, MentionBrand
from store import cursors
from store.configuration import apply_changes

SECRET = "a secret that only two know"
OWNERS = {"site": "alpha", "beta": "beta", "x": "alpha"}


class House:
    """An application with two brands, each with a webhook of its own, behind one server."""

    def __init__(self, database: Path, header: str = "") -> None:
        self.application = Application(database, load(languages=("it",)), owners=OWNERS)
        self.server = WebhookServer("127.0.0.1", 0)
        self.listeners = {
            name: WebhookListener(name, SECRET, self.server, signature_header=header) for name in ("site", "beta")
        }
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str) -> None:
        """Stores what a listener receives, as ascolto/workers.py does."""
        listener = self.listeners[name]

        async def listen() -> None:
            async with self.application.store.reading() as session:
                cursor = await cursors.load(session, "listener", name)
            async with aclosing(listener.listen(cursor)) as batches:
                async for batch in batches:
                    await workers.store_batch(self.application, listener, batch, skip_empty=False)

        await listener.connect()
        self.tasks[name] = asyncio.create_task(listen())
        await asyncio.sleep(0.05)

    async def stop(self, name: str) -> None:
        task = self.tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        for name in list(self.tasks):
            await self.stop(name)
        await self.server.close()
        await self.application.close()

    async def post(self, name: str, body: object, **headers: str) -> tuple[int, str, str]:
        """The status, the text and Retry-After of a signed delivery."""
        raw = json.dumps(body).encode()
        now = int(self.application.now().timestamp())
        signed = headers or {"X-Ascolto-Timestamp": str(now), "X-Ascolto-Signature": sign(SECRET, now, raw)}
        url = f"http://127.0.0.1:{self.server.port}/hooks/{name}"
        async with aiohttp.ClientSession() as http, http.post(url, data=BytesIO(raw), headers=signed) as response:
            return response.status, await response.text(), response.headers.get("Retry-After", "")

    async def texts(self, brand: str) -> set[str]:
        """What the members of a brand read."""
        number = (await self.application.configuration()).brands.id_of(brand)
        statement = select(Mention.text).join(MentionBrand, MentionBrand.mention_id == Mention.id)
        async with self.application.store.reading() as session:
            return set(await session.scalars(statement.where(MentionBrand.brand_id == number)))


async def opened(database: Path, header: str = "") -> House:
    house = House(database, header)
    brands = tuple(
        Brand(slug=slug, name=slug.title(), queries=(BrandQuery(slug="name", text=slug),)) for slug in ("alpha", "beta")
    )
    async with house.application.store.writing() as session:
        await apply_changes(session, ConfigurationFile(brands=brands), house.application.now())
    for name in house.listeners:
        await house.start(name)
    return house


@pytest.fixture
async def house(database: Path) -> AsyncIterator[House]:
    house = await opened(database)
    yield house
    await house.close()


def mention(text: str, **fields: object) -> dict[str, object]:
    row = {
        "id": "1",
        "author": {"handle": "rita"},
        "text": text,
        "created_at": f"{datetime.now().astimezone():%FT%T%z}",
    }
    return {**row, **fields}


async def test_two_senders_with_the_same_ids_both_reach_their_own_brand(house: House):
    assert (await house.post("beta", mention("Beta: il mio IBAN segreto")))[0] == 200
    assert (await house.post("site", mention("Alpha: treno sporco")))[0] == 200
    assert await house.texts("beta") == {"Beta: il mio IBAN segreto"}
    assert await house.texts("alpha") == {"Alpha: treno sporco"}


async def test_guessing_anothers_ids_shows_nothing_of_it(house: House):
    await house.post("beta", mention("SECRETBETA", id="b1"))
    for guess in ("b1", "beta:b1", "site:b1", " b1", "B1", "beta:b1\u0000"):
        await house.post("site", mention(f"Alpha prova {len(guess)}", id=guess))
        await house.post("site", mention(f"Alpha corretto {len(guess)}", id=guess, kind="edited"))
        await house.post("site", {"id": guess, "kind": "deleted"})
    assert await house.texts("beta") == {"SECRETBETA"}
    assert not [text for text in await house.texts("alpha") if "SECRET" in text]


async def test_guessing_the_ids_of_a_platform_shows_and_changes_nothing(house: House):
    await house.post("beta", mention("SECRETBETA", id="77", platform="x"))
    await house.post("site", mention("Alpha prova", id="77", platform="x"))
    await house.post("site", mention("Alpha corretto", id="77", platform="x", kind="edited"))
    await house.post("site", {"id": "77", "platform": "x", "kind": "deleted"})
    assert await house.texts("beta") == {"SECRETBETA"}
    assert not [text for text in await house.texts("alpha") if "SECRET" in text]


def heard_on_x(text: str) -> IncomingPost:
    now = datetime.now().astimezone()
    return IncomingPost(
        platform="x", native_id="77", url="", author=IncomingAuthor(handle="rita"), text=text, created_at=now
    )


async def hear(house: House, post: IncomingPost) -> None:
    """What alpha's own connection to X brings."""

    class Listener:
        name = "x"
        platform = "x"

    await workers.store_batch(house.application, Listener(), ListenerBatch(cursor="", posts=(post,)), skip_empty=False)  # type: ignore[arg-type]


async def test_a_sender_that_was_there_first_does_not_put_its_words_into_anothers_platform(house: House):
    """Beta's webhook knows the id of a post on X before alpha's own connection brings that post."""
    await house.post("beta", mention("SECRETBETA", id="77", platform="x"))
    await hear(house, heard_on_x("Alpha: quello che ha scritto davvero"))
    assert await house.texts("alpha") == {"Alpha: quello che ha scritto davvero"}
    assert await house.texts("beta") == {"SECRETBETA"}


async def test_what_is_not_kept_is_not_counted_as_accepted(house: House):
    await house.post("beta", mention("SECRETBETA", id="77", platform="x"))
    status, answer, _ = await house.post("site", mention("Alpha: va persa?", id="77", platform="x"))
    kept = "Alpha: va persa?" in await house.texts("alpha")
    assert kept or status != 200 or json.loads(answer)["accepted"] == 0, "lost with a 200"


# A replay (F16), by the signature that GitHub makes, which has no time.


async def signed_like_github(house: House, body: object) -> int:
    raw = json.dumps(body).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    return (await house.post("site", body, **{"X-Hub-Signature-256": signature}))[0]


async def test_an_old_edit_that_is_sent_again_does_not_bring_the_old_text_back(database: Path):
    house = await opened(database, "X-Hub-Signature-256")
    first, second = mention("Alpha versione 2", kind="edited"), mention("Alpha versione 3", kind="edited")
    assert await signed_like_github(house, mention("Alpha versione 1")) == 200
    assert await signed_like_github(house, first) == 200
    assert await signed_like_github(house, second) == 200
    await signed_like_github(house, first)
    texts = await house.texts("alpha")
    await house.close()
    assert texts == {"Alpha versione 3"}


async def test_a_deleted_post_that_is_sent_again_stays_deleted(database: Path):
    house = await opened(database, "X-Hub-Signature-256")
    assert await signed_like_github(house, mention("Alpha versione 1")) == 200
    assert await signed_like_github(house, {"id": "1", "kind": "deleted"}) == 200
    await signed_like_github(house, mention("Alpha versione 1"))
    await signed_like_github(house, mention("Alpha versione 2", kind="edited"))
    texts = await house.texts("alpha")
    await house.close()
    assert texts == {""}


# Away is not never (F18).


async def test_a_webhook_that_backs_off_asks_to_wait_and_takes_the_delivery_when_it_is_back(house: House):
    await house.stop("site")
    for _ in range(3):
        status, _, wait = await house.post("site", mention("Alpha: treno sporco"))
        assert status == 503
        assert 0 < int(wait) <= 300
    assert (await house.post("beta", mention("Beta bene")))[0] == 200, "the other one receives"
    await house.start("site")
    assert (await house.post("site", mention("Alpha: treno sporco")))[0] == 200
    assert await house.texts("alpha") == {"Alpha: treno sporco"}


async def test_what_cannot_be_stored_is_answered_503_from_the_first_time_to_the_last(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    async def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workers, "store_batch", full)
    answers = [await house.post("site", mention("Alpha: treno sporco")) for _ in range(4)]
    assert [status for status, _, _ in answers] == [503] * 4
    assert all(wait.isdigit() for _, _, wait in answers)


async def test_a_webhook_that_there_is_not_is_never_there(house: House):
    assert (await house.post("nobody", mention("x")))[0] == 404


# The cursor (F28).


async def cursor_of(house: House) -> str:
    async with house.application.store.reading() as session:
        return await cursors.load(session, "listener", "site") or ""


async def test_the_cursor_stays_small_and_forgets(house: House):
    count = 120
    for number in range(count):
        assert (await house.post("site", mention(f"Alpha {number}", id=str(number))))[0] == 200
    cursor = await cursor_of(house)
    assert len(cursor) <= 40 * count, f"{len(cursor) / count:.0f} bytes a delivery"
    later = house.application.now().timestamp() + 3_600
    house.listeners["site"]._now = lambda: later
    raw = json.dumps(mention("Alpha dopo", id="dopo")).encode()
    headers = {"X-Ascolto-Timestamp": str(int(later)), "X-Ascolto-Signature": sign(SECRET, int(later), raw)}
    assert (await house.post("site", mention("Alpha dopo", id="dopo"), **headers))[0] == 200
    assert len(await cursor_of(house)) < 100, "an hour later it holds the last alone"
