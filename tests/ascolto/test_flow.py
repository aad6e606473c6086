from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from ascolto import flow
from ascolto.house import House
from models.catalogue import Brand, BrandQuery, Contents
from models.mention import Mention
from models.post import Deletion, Heard, Post, PostAuthor
from models.sentiment import load
from store import catalogue as catalogues


@pytest.fixture
async def house(database: Path) -> AsyncIterator[House]:
    house = House(database, load(languages=("it", "en")))
    brand = Brand(slug="ferroviola", name="Ferroviola", queries=(BrandQuery(slug="name", text="ferroviola"),))
    async with house.store.writing() as session:
        await catalogues.apply(session, Contents(brands=(brand,)), house.now())
    yield house
    await house.close()


def post(house: House, text: str) -> Post:
    author = PostAuthor(handle="rita")
    return Post(platform="square", native_id="p1", url="", author=author, text=text, created_at=house.now())


async def hear(house: House, connection: str, platform: str, **heard: tuple) -> None:
    ear = SimpleNamespace(name=connection, platform=platform)
    await flow.write(house, ear, Heard(bookmark="", **heard), quiet=False)


async def said(house: House) -> str:
    async with house.store.reading() as session:
        return str(await session.scalar(select(Mention.text)))


async def test_a_webhook_changes_and_deletes_what_it_brought_and_nothing_else(house: House):
    await hear(house, "town", "square", posts=(post(house, "ferroviola male"),))
    gone = (Deletion(platform="square", native_id="p1"),)
    await hear(house, "site", "webhook", edits=(post(house, "ferroviola bene"),), deletions=gone)
    assert await said(house) == "ferroviola male"
    await hear(house, "town", "square", edits=(post(house, "ferroviola così"),))
    assert await said(house) == "ferroviola così"
    await hear(house, "town", "square", deletions=gone)
    assert await said(house) == ""


async def test_a_webhook_deletes_its_own(house: House):
    await hear(house, "site", "webhook", posts=(post(house, "ferroviola male"),))
    await hear(house, "site", "webhook", deletions=(Deletion(platform="square", native_id="p1"),))
    assert await said(house) == ""
