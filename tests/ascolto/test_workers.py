from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from ascolto import workers
from ascolto.application import Application
from models.configuration import Brand, BrandQuery, ConfigurationFile
from models.incoming import Deletion, IncomingAuthor, IncomingPost, ListenerBatch
from models.sentiment import load
from models.tables.mention import Mention
from store.configuration import apply_changes


@pytest.fixture
async def application(database: Path) -> AsyncIterator[Application]:
    application = Application(database, load(languages=("it", "en")))
    brand = Brand(slug="ferroviola", name="Ferroviola", queries=(BrandQuery(slug="name", text="ferroviola"),))
    async with application.store.writing() as session:
        await apply_changes(session, ConfigurationFile(brands=(brand,)), application.now())
    yield application
    await application.close()


def post(application: Application, text: str) -> IncomingPost:
    author = IncomingAuthor(handle="rita")
    return IncomingPost(
        platform="square", native_id="p1", url="", author=author, text=text, created_at=application.now()
    )


async def receive(application: Application, connection: str, platform: str, **batch: tuple) -> None:
    listener = SimpleNamespace(name=connection, platform=platform)
    await workers.store_batch(application, listener, ListenerBatch(cursor="", **batch), skip_empty=False)


async def stored_text(application: Application) -> str:
    async with application.store.reading() as session:
        return str(await session.scalar(select(Mention.text)))


async def test_a_webhook_does_not_change_or_delete_what_another_connection_brought(application: Application):
    await receive(application, "square", "square", posts=(post(application, "ferroviola male"),))
    deletions = (Deletion(platform="square", native_id="p1"),)
    await receive(application, "site", "webhook", edits=(post(application, "ferroviola bene"),), deletions=deletions)
    assert await stored_text(application) == "ferroviola male"
    await receive(application, "square", "square", edits=(post(application, "ferroviola così"),))
    assert await stored_text(application) == "ferroviola così"
    await receive(application, "square", "square", deletions=deletions)
    assert await stored_text(application) == ""


async def test_a_webhook_deletes_what_it_brought(application: Application):
    await receive(application, "site", "webhook", posts=(post(application, "ferroviola male"),))
    await receive(application, "site", "webhook", deletions=(Deletion(platform="square", native_id="p1"),))
    assert await stored_text(application) == ""
