import asyncio
import re

import aiohttp
import pytest
from conftest import House

from models.case import Alert, Case, Reply
from models.catalogue import Contents, Member
from models.errors import Refused
from models.mention import Mention, MovedBy
from triage import actions, replying
from triage.checks import Finding
from web.pages import linked, marked
from web.visit import HOUSE


async def _text(answer) -> str:
    assert answer.status == 200, await answer.text()
    return await answer.text()


async def test_claim_edit_approve_and_undo(desk, house: House):
    case = await house.case("Ferroviola in ritardo (-)")
    browser = await desk.enter("ana")
    async with browser.get("/") as answer:
        assert "Ferroviola in ritardo" in await _text(answer)
    async with browser.post(f"/cases/{case.id}/claim") as answer:
        assert "ci scusiamo per il ritardo" in await _text(answer)
    words = {"text": "@rita ci scusiamo. https://ferroviola.example/aiuto", "seen": ""}
    async with browser.post(f"/cases/{case.id}/draft", data=words) as answer:
        checks = await _text(answer)
    assert "/ 300" in checks
    words["seen"] = re.search('name="seen" value="([^"]*)"', checks)[1]
    async with browser.post(f"/cases/{case.id}/approve", data=words) as answer:
        shown = await _text(answer)
    [reply] = await house.all(Reply)
    assert (reply.state, reply.text) == ("approved", words["text"])
    assert "Take it back" in shown
    async with browser.post(f"/cases/{case.id}/undo", data={"reply": str(reply.id)}) as answer:
        assert words["text"] in await _text(answer)
    assert (await house.get(Reply, reply.id)).state == "draft"


async def test_what_is_typed_at_the_last_moment_is_what_is_approved(desk, house: House):
    case = await house.case()
    browser = await desk.enter("ana")
    await browser.post(f"/cases/{case.id}/claim")
    await browser.post(f"/cases/{case.id}/draft", data={"text": "Ci scusiamo, vecchio. https://ferroviola.example"})
    fresh = "Ci scusiamo, nuovo. https://ferroviola.example"
    await browser.post(f"/cases/{case.id}/approve", data={"text": fresh, "seen": "reference,language"})
    [reply] = await house.all(Reply)
    assert (reply.state, reply.text) == ("approved", fresh)


async def test_a_remark_that_was_not_on_the_page_is_shown_before_it_is_approved(desk, house: House):
    case = await house.case()
    browser = await desk.enter("ana")
    await browser.post(f"/cases/{case.id}/claim")
    risky = {"text": "Ci scusiamo, la rimborsiamo entro domani. https://ferroviola.example", "seen": ""}
    async with browser.post(f"/cases/{case.id}/approve", data=risky) as answer:
        assert "Read the remarks" in answer.headers["HX-Trigger"]
        assert "la rimborsiamo" in await answer.text(), "what was typed is kept"
    assert [r.state for r in await house.all(Reply)] == ["draft"]
    await browser.post(f"/cases/{case.id}/approve", data={**risky, "seen": "promise,language"})
    assert [r.state for r in await house.all(Reply)] == ["approved"]


async def test_the_second_manager_sees_who_was_first(desk, house: House):
    case = await house.case()
    ana, bruno = await desk.enter("ana"), await desk.enter("bruno")
    await ana.post(f"/cases/{case.id}/claim")
    async with bruno.post(f"/cases/{case.id}/claim") as answer:
        assert "Ana" in answer.headers["HX-Trigger"]
        assert "Ana" in await answer.text()
    assert (await house.get(Case, case.id)).claimed_by == house.member("ana")


async def test_a_case_of_a_brand_that_is_not_ones_own_does_not_exist(desk, house: House):
    case = await house.case()
    piero = await desk.enter("piero")
    for path in (f"/cases/{case.id}", f"/cases/{case.id}/view", f"/cases/{case.id}/editor"):
        async with piero.get(path) as answer:
            assert answer.status == 404
    async with piero.post(f"/cases/{case.id}/claim") as answer:
        assert answer.status == 404
    async with piero.get("/mentions?q=ritardo") as answer:
        assert "in ritardo" not in (await answer.text()).replace('value="ritardo"', "")


HOSTILE = [
    "<script>alert(1)</script>",
    "{{ 7*7 }}{% for x in range(9) %}x{% endfor %}",
    "<img src=x onerror=alert(1)>",
    "</textarea><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "\u202egnp.exe\u202c \x00 \x1b[31m",
    "👨‍👩‍👧‍👦" * 50,
]


@pytest.mark.parametrize("words", HOSTILE)
async def test_a_strangers_words_are_only_words(desk, house: House, words: str):
    case = await house.case(f"Ferroviola {words} (-)", author=words, url="javascript:alert(1)")
    await house.do(actions.note, case.id, house.member("ana"), words)
    await house.do(replying.draft, case.id, house.member("ana"), words)
    browser = await desk.enter("ana")
    for path in ("/", f"/cases/{case.id}", "/mentions", "/digest"):
        async with browser.get(path, headers={"HX-Request": "false"}) as answer:
            page = await _text(answer)
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page
        assert "javascript:" not in page
        assert "49x" not in page
        assert '" onmouseover="' not in page
        assert "\u202e" not in page
        assert "\x00" not in page


async def test_snooze_dismiss_note_assign_escalate_mute_correct_reopen(desk, house: House):
    case = await house.case()
    browser = await desk.enter("lidia")
    steps = [
        ("note", {"text": "una nota tra noi"}, "una nota tra noi"),
        ("correct", {"sentiment": "neutral"}, "neutral"),
        ("mute", {"muted": "true"}, "Let this author open cases again"),
        ("escalate", {"reason": "serve un capo"}, "serve un capo"),
        ("snooze", {"minutes": "60"}, "snoozed"),
        ("assign", {"to": "bruno", "note": "tuo"}, "Bruno"),
    ]
    for verb, form, seen in steps:
        async with browser.post(f"/cases/{case.id}/{verb}", data=form) as answer:
            assert seen in await _text(answer), verb
    bruno = await desk.enter("bruno")
    async with bruno.post(f"/cases/{case.id}/dismiss", data={"reason": "not-us"}) as answer:
        assert "Non riguarda noi" in await _text(answer), "Bruno reads Italian"
    async with browser.post(f"/cases/{case.id}/reopen") as answer:
        assert "waiting" in await _text(answer)


async def test_every_form_survives_rubbish(desk, house: House):
    case = await house.case()
    browser = await desk.enter("ana")
    await browser.post(f"/cases/{case.id}/claim")
    rubbish = ["", "x" * 5_000, "-1", "999999999999999999999", "' OR 1=1 --", "<b>", "\x00", "💥"]
    verbs = (
        "snooze",
        "dismiss",
        "assign",
        "escalate",
        "correct",
        "undo",
        "again",
        "found",
        "by-hand",
        "mute",
        "nothing-such",
    )
    for verb in verbs:
        for value in rubbish:
            fields = ("minutes", "reason", "to", "note", "sentiment", "mention", "reply", "url", "muted", "text")
            async with browser.post(f"/cases/{case.id}/{verb}", data=dict.fromkeys(fields, value)) as answer:
                assert answer.status in (200, 404), (verb, value, await answer.text())
    async with browser.post("/cases/99999999999999999999/claim") as answer:
        assert answer.status in (200, 404)


async def test_a_body_too_large_is_refused(desk, house: House):
    case = await house.case()
    browser = await desk.enter("ana")
    async with browser.post(f"/cases/{case.id}/note", data={"text": "x" * 1_000_000}) as answer:
        assert answer.status == 413


async def test_a_permalink_that_was_heard_opens_its_case(desk, house: House):
    await house.hear(house.post("oggi ho preso ferroviola", url="https://square.example/posts/p1"))
    await house.read()
    browser = await desk.enter("ana")
    form = {"url": "https://square.example/posts/p1", "brand": str(house.brand())}
    async with browser.post("/open", data=form, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/cases/1"
    async with browser.post("/open", data=form, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/cases/1"


async def test_a_permalink_that_the_platform_can_give_is_fetched(desk, house: House):
    url = "https://square.example/posts/p9"
    desk.findable[url] = house.post("mai più con loro", url=url, native_id="p9")
    browser = await desk.enter("ana")
    async with browser.post("/open", data={"url": url, "brand": str(house.brand())}, allow_redirects=False) as answer:
        assert answer.status == 303
    assert [m.text for m in await house.all(Mention)] == ["mai più con loro"]


async def test_a_permalink_of_nobody_asks_for_the_text_and_then_opens(desk, house: House):
    browser = await desk.enter("ana")
    form = {"url": "https://forum.example/t/1", "brand": str(house.brand())}
    async with browser.post("/open", data=form) as answer:
        assert "cannot read this post by itself" in await _text(answer)
    form |= {"author": "@gino", "text": "Ferroviola pessima (-)"}
    async with browser.post("/open", data=form, allow_redirects=False) as answer:
        assert answer.status == 303
    await house.read()
    [case] = await house.cases()
    assert (case.platform, case.sentiment, case.opened_by) == ("forum.example", "negative", house.member("ana"))


async def test_a_permalink_must_be_one(desk, house: House):
    browser = await desk.enter("ana")
    for url in ("javascript:alert(1)", "", "file:///etc/passwd"):
        async with browser.post("/open", data={"url": url, "brand": str(house.brand())}) as answer:
            assert "Paste the address" in await _text(answer)


async def test_open_pages_are_told_what_changed_and_only_what_is_theirs(desk, house: House):
    ana, piero = await desk.enter("ana"), await desk.enter("piero")
    async with ana.get("/events") as hers, piero.get("/events") as his:
        await hers.content.readline()
        case = await house.case("Ferroviola: preso fuoco (-)")
        told = b""
        async with asyncio.timeout(5):
            while b"alert" not in told:
                told += await hers.content.readline()
        assert b"changed" in told
        assert f"[{case.id}]".encode() in told
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                said = b""
                while b"changed" not in said:
                    said += await his.content.readline()


async def test_alerts_that_stand_on_anothers_card_do_not_pop_up(desk, house: House):
    ana = await desk.enter("ana")
    async with ana.get("/events") as hers:
        await hers.content.readline()
        for n in range(6):
            await house.case(f"Ferroviola: preso fuoco il treno numero {n * 7} (-)", author=f"a{n}")
        alone = [alert for alert in await house.all(Alert) if alert.grouped_in is None]
        assert 0 < len(alone) < len(await house.all(Alert))
        told = b""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                while True:
                    told += await hers.content.readline()
        assert told.count(b"event: alert") == len(alone)


async def test_a_page_with_an_open_stream_does_not_hold_up_the_end(desk):
    browser = await desk.enter("ana")
    async with browser.get("/events") as answer:
        await answer.content.readline()
        async with asyncio.timeout(4):
            await desk.web.stop()


async def test_next_is_the_most_pressing_case_that_nobody_has(desk, house: House):
    mild = await house.case("Ferroviola boh (-)", author="a")
    grave = await house.case("Ferroviola preso fuoco (-)", author="b")
    browser = await desk.enter("ana")
    async with browser.get("/next", allow_redirects=False) as answer:
        assert answer.headers["Location"] == f"/cases/{grave.id}"
    await house.do(actions.claim, grave.id, house.member("bruno"))
    async with browser.get("/next", allow_redirects=False) as answer:
        assert answer.headers["Location"] == f"/cases/{mild.id}"


async def test_of_a_storm_one_line_is_shown_with_the_count(desk, house: House):
    for n in range(4):
        await house.hear(
            house.post(f"Ferroviola ferma da due ore a Bologna, nessuno dice niente {n} (-)", author=f"a{n}")
        )
    await house.read()
    browser = await desk.enter("ana")
    async with browser.get("/list") as answer:
        page = await _text(answer)
    assert page.count("data-case=") == 1
    assert "4 alike" in page
    async with browser.get("/cases/1") as answer:
        assert "3 more say nearly the same" in await _text(answer)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("servizio pessimo davvero", "servizio <mark>pessimo</mark> davvero"),
        ("<b>x</b>\n pessimo", "&lt;b&gt;x&lt;/b&gt;\n <mark>pessimo</mark>"),
        ("<script> </mark>", "<mark>&lt;script&gt;</mark> &lt;/mark&gt;"),
        ("", ""),
    ],
)
def test_the_words_that_moved_the_reader_are_underlined_and_all_is_escaped(text: str, shown: str):
    assert str(marked(text, (MovedBy("pessimo", 2.0), MovedBy("<script>", 1.0)))) == shown


async def test_a_second_yes_is_asked_for_and_given_on_the_web_and_both_texts_are_shown(desk, house: House):
    await house.apply(Contents(members=(Member(slug="dora", name="Dora", role="approver"),)))
    await house.change_queue("trains", team=("ana", "lidia", "dora"), approvals=1)
    case = await house.case()
    ana, dora = await desk.enter("ana"), await desk.enter("dora")
    await ana.post(f"/cases/{case.id}/claim")
    words = {"text": "@rita ci scusiamo. https://ferroviola.example/aiuto", "seen": "language"}
    async with ana.post(f"/cases/{case.id}/approve", data=words) as answer:
        assert "waits for the yes of 1 more" in answer.headers["HX-Trigger"]
        assert "It waits for a second yes: 0 of 1." in await answer.text()
    [reply] = await house.all(Reply)
    async with dora.get(f"/cases/{case.id}/editor") as answer:
        assert "Ana asks for your yes" in await _text(answer)
    async with dora.get(f"/cases/{case.id}/remarks") as answer:
        assert "/ 300" in await _text(answer)
    form = {"reply": str(reply.id), "revision": str(reply.revision), "text": "@rita ci scusiamo molto.", "seen": ""}
    async with dora.post(f"/cases/{case.id}/second", data=form) as answer:
        assert "Read the remarks" in answer.headers["HX-Trigger"], "what she typed has other remarks"
        assert "ci scusiamo molto" in await answer.text(), "what she typed is kept"
    form["revision"] = str(reply.revision + 1)
    async with dora.post(f"/cases/{case.id}/second", data={**form, "seen": "language,reference"}) as answer:
        assert "You have said yes." in answer.headers["HX-Trigger"]
    [reply] = await house.all(Reply)
    assert (reply.state, reply.text, reply.approved_by) == ("approved", form["text"], house.member("dora"))


async def test_a_storm_is_answered_on_one_page_each_text_of_it_shown(desk, house: House):
    said = "Ferroviola treno delle sette soppresso a Bologna senza nessun avviso, vergogna totale, rimborsate tutti subito (-)"
    for author in ("rita", "ugo", "ivo", "eva"):
        await house.hear(house.post(f"{said} {author[0]}", author=author))
        await house.read()
    first, second, third, fourth = [case.id for case in await house.all(Case)]
    ana = await desk.enter("ana")
    assert "Write the reply to one of them first" in await _text(await ana.get(f"/cases/{first}/storm"))
    await ana.post(f"/cases/{first}/draft", data={"text": "@rita ci scusiamo, a presto"})
    page = await _text(await ana.get(f"/cases/{first}/storm"))
    for author in ("ugo", "ivo", "eva"):
        assert f"@{author} ci scusiamo, a presto" in page
    await (await desk.enter("bruno")).post(f"/cases/{third}/claim")
    ticked = [("case", str(n)) for n in (second, third)]
    texts = [(f"text-{n}", text) for n, text in ((second, "@ugo scusi davvero"), (third, "@ivo ci scusiamo"))]
    page = await _text(await ana.post(f"/cases/{first}/storm", data=aiohttp.FormData([*ticked, *texts])))
    assert "1 done" in page
    assert "could not be done" in page
    replies = {reply.case_id: (reply.state, reply.text) for reply in await house.all(Reply)}
    assert replies[second] == ("approved", "@ugo scusi davvero")
    assert third not in replies
    page = await _text(await ana.post(f"/cases/{first}/storm", data={"case": str(fourth), "reason": "no-answer"}))
    assert (await house.get(Case, fourth)).state == "dismissed"


async def test_the_page_of_a_storm_survives_rubbish_and_shows_nobody_elses(desk, house: House):
    case = await house.case()
    ana = await desk.enter("ana")
    for data in ({}, {"case": "x"}, {"case": "999999"}, {"case": str(case.id)}, {"case": "1" * 30, "reason": "?"}):
        assert (await ana.post(f"/cases/{case.id}/storm", data=data)).status == 200
    assert (await house.get(Case, case.id)).state == "waiting"
    assert (await (await desk.enter("piero")).get(f"/cases/{case.id}/storm")).status == 404
    assert (await ana.get("/cases/999999/storm")).status == 404


async def test_members_say_themselves_when_they_are_not_to_be_called(desk, house: House):
    ana = await desk.enter("ana")
    await ana.post("/me", data={"quiet": "22:00-07:00", "away": "24.12 6.1 bruno"})
    await house.apply(Contents())
    member = house.catalogue.members.named("ana")[1]
    assert (member.quiet, member.away[0].cover) == ({"mon-sun": "22:00-07:00"}, "bruno")
    page = await _text(await ana.get("/me"))
    assert "22:00-07:00" in page
    assert "6 Jan 2027" in page
    assert "Write it like 22:00-07:00" in await _text(await ana.post("/me", data={"quiet": "<script>"}))


async def test_the_digest_of_a_member_has_its_chart(desk, house: House):
    ana = await desk.enter("ana")
    assert (await ana.get("/digest/chart.png")).status == 404
    await house.case()
    answer = await ana.get("/digest/chart.png?period=week&date=rubbish")
    assert (answer.content_type, (await answer.read())[:4]) == ("image/png", b"\x89PNG")


def test_numbers_of_cases_are_links_and_all_else_is_words():
    assert linked("To answer: #12 @<b>: “#x C#7”") == ('To answer: <a href="/cases/12">#12</a> @&lt;b&gt;: “#x C#7”')


async def test_what_a_proofreader_finds_stands_under_the_text(desk, house: House):
    class Found:
        async def read(self, text: str, _language: str) -> list[Finding]:
            return [Finding(kind="grammar", message="“{words}”: hm", values={"words": text[:3]})]

    desk.web._app[HOUSE].proofreader = Found()
    case = await house.case()
    ana = await desk.enter("ana")
    page = await _text(await ana.post(f"/cases/{case.id}/draft", data={"text": "@rita <b>ciao"}))
    assert "“@ri”: hm" in page


async def test_what_was_heard_for_another_brand_is_nobody_elses(desk, house: House):
    url = "https://t.me/c/123/45"
    await house.hear(house.post("Ferroviola: resti tra noi", url=url))
    other = Member(slug="piero", name="Piero", role="manager", brands=("panegrano",))
    await house.apply(Contents(members=(other,)))
    browser = await desk.enter("piero")
    form = {"url": url, "brand": str(house.catalogue.brands.id_of("panegrano"))}
    async with browser.post("/open", data=form, allow_redirects=False) as answer:
        assert answer.status == 200, "it is asked what the post says"
        assert "resti tra noi" not in await answer.text()
    [mention] = await house.all(Mention)
    with pytest.raises(Refused, match="not known for this brand"):
        await house.do(
            actions.open_by_hand, house.catalogue.brands.id_of("panegrano"), mention.id, house.member("piero")
        )
