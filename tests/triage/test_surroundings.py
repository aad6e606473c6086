"""What was said before a mention, and who says it, asked for in the background."""

import pytest
from conftest import House

from models.errors import Rejected, Unavailable
from models.mention import Mention
from models.post import Around, Deletion, PostAuthor, Sought
from store import mentions
from store.mentions import MOST_BEFORE as MOST
from triage.card import card
from triage.surroundings import Surveyor


class Ear:
    name = "square"

    def __init__(self, house: House, says: Around | Exception) -> None:
        self.asked: list[Sought] = []
        self.says = says

    async def around(self, sought: Sought) -> Around:
        self.asked.append(sought)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


async def look(house: House, ear: Ear) -> int:
    return await Surveyor(house.store, ear).look_batch(house.catalogue, house.now)


async def shown(house: House, case_id: int):
    async with house.store.reading() as session:
        return await card(house.turn(session), case_id)


async def test_the_card_shows_what_was_said_before_and_the_reach_counts(house: House):
    case = await house.case(parent="p0")
    before = tuple(house.post(f"post {n}", "gino") for n in range(MOST + 2))
    ear = Ear(house, Around(before=before, author=PostAuthor(handle="rita", name="Rita R.", followers=250_000)))
    assert await look(house, ear) == 1
    seen = await shown(house, case.id)
    assert [earlier.text for earlier in seen.latest.before] == [f"post {n}" for n in range(2, MOST + 2)]
    assert (seen.author_name, seen.followers) == ("Rita R.", 250_000)
    assert (seen.points > case.points, seen.revision) == (True, case.revision + 1)
    assert ear.asked == [Sought(native_id="p1", thread="p0", parent="p0", author="rita")]
    assert await look(house, ear) == 0


async def test_where_there_is_nothing_it_is_asked_once(house: House):
    case = await house.case()
    ear = Ear(house, Rejected("the post is gone"))
    assert [await look(house, ear), await look(house, ear)] == [1, 0]
    assert (await shown(house, case.id)).revision == case.revision


async def test_a_platform_that_is_away_is_asked_again(house: House):
    await house.case()
    ear = Ear(house, Unavailable("away"))
    with pytest.raises(Unavailable):
        await look(house, ear)
    ear.says = Around()
    assert await look(house, ear) == 1


async def test_nothing_is_asked_for_what_nobody_looks_at_nor_of_another_ear(house: House):
    await house.hear(house.post("Ferroviola (+)"))
    await house.read()
    assert await look(house, Ear(house, Around())) == 0
    await house.case()
    other = Ear(house, Around())
    other.name = "elsewhere"
    assert await look(house, other) == 0


async def test_what_was_deleted_while_we_looked_stays_empty(house: House):
    await house.case(parent="p0")

    class Slow(Ear):
        async def around(self, sought: Sought) -> Around:
            async with house.store.writing() as session:
                await mentions.empty(session, Deletion(platform="square", native_id="p1"), house.now)
            return Around(before=(house.post("prima"),))

    await look(house, Slow(house, Around()))
    [mention] = await house.all(Mention)
    assert mention.before == ()


async def test_an_edit_shows_what_it_said_before(house: House):
    post = house.post("Ferroviola in ritardo (-)")
    await house.hear(post)
    await house.read()
    [case] = await house.cases()
    changed = house.post("Ferroviola cancellato (-)", native_id=post.native_id)
    async with house.store.writing() as session:
        await mentions.write_edit(session, "square", mentions.Kept(changed, ()), house.now)
    seen = await shown(house, case.id)
    assert (seen.latest.text, seen.latest.was) == ("Ferroviola cancellato (-)", "Ferroviola in ritardo (-)")
