import asyncio
import re

import aiohttp
import pytest
from conftest import Harness

from actions.table import ACTIONS
from languages import translator
from models.configuration import ConfigurationFile, Member
from models.errors import Refused
from models.tables.alert import Alert
from models.tables.case import Case
from models.tables.mention import InfluentialWord, Mention
from models.tables.reply import Reply
from publishing import replies
from publishing.checks import Finding
from triage import case_actions
from web.rendering import highlighted, with_links


async def _text(response) -> str:
    assert response.status == 200, await response.text()
    return await response.text()


async def test_claim_edit_approve_and_undo(desk, harness: Harness):
    case = await harness.case("Ferroviola in ritardo (-)")
    browser = await desk.sign_in("ana")
    async with browser.get("/") as response:
        assert "Ferroviola in ritardo" in await _text(response)
    async with browser.post(f"/cases/{case.id}/actions/claim") as response:
        assert "ci scusiamo per il ritardo" in await _text(response)
    form = {"text": "@rita ci scusiamo. https://ferroviola.example/aiuto", "seen": ""}
    async with browser.post(f"/cases/{case.id}/draft", data=form) as response:
        checks = await _text(response)
    assert "/ 300" in checks
    form["seen"] = re.search('name="seen" value="([^"]*)"', checks)[1]
    async with browser.post(f"/cases/{case.id}/approve", data=form) as response:
        page = await _text(response)
    [reply] = await harness.all(Reply)
    assert (reply.state, reply.text) == ("approved", form["text"])
    assert 'data-label="Undo"' in page
    async with browser.post(f"/cases/{case.id}/actions/undo", data={"reply": str(reply.id)}) as response:
        assert form["text"] in await _text(response)
    assert (await harness.get(Reply, reply.id)).state == "draft"


async def test_the_text_typed_last_is_the_text_approved(desk, harness: Harness):
    case = await harness.case()
    browser = await desk.sign_in("ana")
    await browser.post(f"/cases/{case.id}/actions/claim")
    await browser.post(f"/cases/{case.id}/draft", data={"text": "Ci scusiamo, vecchio. https://ferroviola.example"})
    newest = "Ci scusiamo, nuovo. https://ferroviola.example"
    await browser.post(f"/cases/{case.id}/approve", data={"text": newest, "seen": "reference,language"})
    [reply] = await harness.all(Reply)
    assert (reply.state, reply.text) == ("approved", newest)


async def test_a_remark_that_was_not_on_the_page_is_shown_before_the_reply_is_approved(desk, harness: Harness):
    case = await harness.case()
    browser = await desk.sign_in("ana")
    await browser.post(f"/cases/{case.id}/actions/claim")
    risky = {"text": "Ci scusiamo, la rimborsiamo entro domani. https://ferroviola.example", "seen": ""}
    async with browser.post(f"/cases/{case.id}/approve", data=risky) as response:
        assert "Read the remarks" in response.headers["HX-Trigger"]
        assert "la rimborsiamo" in await response.text(), "what was typed is kept"
    assert [r.state for r in await harness.all(Reply)] == ["draft"]
    await browser.post(f"/cases/{case.id}/approve", data={**risky, "seen": "promise,language"})
    assert [r.state for r in await harness.all(Reply)] == ["approved"]


async def test_a_second_member_sees_who_claimed_the_case_first(desk, harness: Harness):
    case = await harness.case()
    ana, bruno = await desk.sign_in("ana"), await desk.sign_in("bruno")
    await ana.post(f"/cases/{case.id}/actions/claim")
    async with bruno.post(f"/cases/{case.id}/actions/claim") as response:
        assert "Ana" in response.headers["HX-Trigger"]
        assert "Ana" in await response.text()
    assert (await harness.get(Case, case.id)).claimed_by == harness.member("ana")


async def test_a_case_of_another_brand_is_not_found(desk, harness: Harness):
    case = await harness.case()
    piero = await desk.sign_in("piero")
    for path in (f"/cases/{case.id}", f"/cases/{case.id}/details", f"/cases/{case.id}/editor"):
        async with piero.get(path) as response:
            assert response.status == 404
    async with piero.post(f"/cases/{case.id}/actions/claim") as response:
        assert response.status == 404
    async with piero.get("/mentions?q=ritardo") as response:
        assert "in ritardo" not in (await response.text()).replace('value="ritardo"', "")


HOSTILE = [
    "<script>alert(1)</script>",
    "{{ 7*7 }}{% for x in range(9) %}x{% endfor %}",
    "<img src=x onerror=alert(1)>",
    "</textarea><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "\u202egnp.exe\u202c \x00 \x1b[31m",
    "👨‍👩‍👧‍👦" * 50,
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_shown_as_text(desk, harness: Harness, text: str):
    case = await harness.case(f"Ferroviola {text} (-)", author=text, url="javascript:alert(1)")
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), text)
    await harness.do(replies.save_draft, case.id, harness.member("ana"), text)
    browser = await desk.sign_in("ana")
    for path in ("/", f"/cases/{case.id}", "/mentions", "/digest"):
        async with browser.get(path, headers={"HX-Request": "false"}) as response:
            page = await _text(response)
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page
        assert "javascript:" not in page
        assert "49x" not in page
        assert '" onmouseover="' not in page
        assert "\u202e" not in page
        assert "\x00" not in page


async def test_snooze_dismiss_note_assign_escalate_mute_correct_reopen(desk, harness: Harness):
    case = await harness.case()
    browser = await desk.sign_in("lidia")
    steps = [
        ("note", {"text": "una nota tra noi"}, "una nota tra noi"),
        ("correct", {"sentiment": "neutral"}, "neutral"),
        ("mute_author", {}, "Unmute this author"),
        ("escalate", {"reason": "serve un capo"}, "serve un capo"),
        ("snooze", {"minutes": "60"}, "snoozed"),
        ("assign", {"to": "bruno", "note": "tuo"}, "Bruno"),
    ]
    for verb, form, shown in steps:
        async with browser.post(f"/cases/{case.id}/actions/{verb}", data=form) as response:
            assert shown in await _text(response), verb
    bruno = await desk.sign_in("bruno")
    italian = translator("it")("Not about us")
    assert italian != "Not about us"
    async with bruno.post(f"/cases/{case.id}/actions/dismiss", data={"reason": "not-us"}) as response:
        assert italian in await _text(response), "Bruno reads Italian"
    async with browser.post(f"/cases/{case.id}/actions/reopen") as response:
        assert "waiting" in await _text(response)


async def test_no_invalid_form_is_a_server_error(desk, harness: Harness):
    case = await harness.case()
    browser = await desk.sign_in("ana")
    await browser.post(f"/cases/{case.id}/actions/claim")
    invalid = ["", "x" * 5_000, "-1", "999999999999999999999", "' OR 1=1 --", "<b>", "\x00", "💥"]
    fields = {name for spec in ACTIONS.values() for name in spec.form.__struct_fields__} | {"reply", "revision"}
    for verb in (*ACTIONS, "no_such_action"):
        for value in invalid:
            form = dict.fromkeys(fields, value)
            async with browser.post(f"/cases/{case.id}/actions/{verb}", data=form) as response:
                assert response.status in (200, 404), (verb, value, await response.text())
    async with browser.post("/cases/99999999999999999999/actions/claim") as response:
        assert response.status in (200, 404)


async def test_a_body_that_is_too_large_is_rejected(desk, harness: Harness):
    case = await harness.case()
    browser = await desk.sign_in("ana")
    async with browser.post(f"/cases/{case.id}/actions/note", data={"text": "x" * 1_000_000}) as response:
        assert response.status == 413


async def test_the_permalink_of_a_stored_mention_opens_its_case(desk, harness: Harness):
    await harness.receive(harness.post("oggi ho preso ferroviola", url="https://square.example/posts/p1"))
    await harness.analyze()
    browser = await desk.sign_in("ana")
    form = {"url": "https://square.example/posts/p1", "brand": str(harness.brand())}
    async with browser.post("/open", data=form, allow_redirects=False) as response:
        assert response.headers["Location"] == "/cases/1"
    async with browser.post("/open", data=form, allow_redirects=False) as response:
        assert response.headers["Location"] == "/cases/1"


async def test_a_permalink_that_the_platform_can_resolve_is_fetched(desk, harness: Harness):
    url = "https://square.example/posts/p9"
    desk.posts[url] = harness.post("mai più con loro", url=url, native_id="p9")
    browser = await desk.sign_in("ana")
    form = {"url": url, "brand": str(harness.brand())}
    async with browser.post("/open", data=form, allow_redirects=False) as response:
        assert response.status == 303
    assert [m.text for m in await harness.all(Mention)] == ["mai più con loro"]


async def test_a_permalink_that_cannot_be_fetched_asks_for_the_text_and_then_opens(desk, harness: Harness):
    browser = await desk.sign_in("ana")
    form = {"url": "https://forum.example/t/1", "brand": str(harness.brand())}
    async with browser.post("/open", data=form) as response:
        assert "cannot fetch this post" in await _text(response)
    form |= {"author": "@gino", "text": "Ferroviola pessima (-)"}
    async with browser.post("/open", data=form, allow_redirects=False) as response:
        assert response.status == 303
    await harness.analyze()
    [case] = await harness.cases()
    assert (case.platform, case.sentiment, case.opened_by) == ("forum.example", "negative", harness.member("ana"))


async def test_only_a_web_address_is_a_permalink(desk, harness: Harness):
    browser = await desk.sign_in("ana")
    for url in ("javascript:alert(1)", "", "file:///etc/passwd"):
        async with browser.post("/open", data={"url": url, "brand": str(harness.brand())}) as response:
            assert "Paste the address" in await _text(response)


async def test_open_pages_get_events_of_their_members_brands_only(desk, harness: Harness):
    ana, piero = await desk.sign_in("ana"), await desk.sign_in("piero")
    async with ana.get("/events") as ana_events, piero.get("/events") as piero_events:
        await ana_events.content.readline()
        case = await harness.case("Ferroviola: preso fuoco (-)")
        events = b""
        async with asyncio.timeout(5):
            while b"alert" not in events:
                events += await ana_events.content.readline()
        assert b"changed" in events
        assert f"[{case.id}]".encode() in events
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                events = b""
                while b"changed" not in events:
                    events += await piero_events.content.readline()


async def test_alerts_that_share_another_alerts_card_do_not_pop_up(desk, harness: Harness):
    ana = await desk.sign_in("ana")
    async with ana.get("/events") as stream:
        await stream.content.readline()
        for n in range(6):
            await harness.case(f"Ferroviola: preso fuoco il treno numero {n * 7} (-)", author=f"a{n}")
        with_own_card = [alert for alert in await harness.all(Alert) if alert.group_id is None]
        assert 0 < len(with_own_card) < len(await harness.all(Alert))
        events = b""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                while True:
                    events += await stream.content.readline()
        assert events.count(b"event: alert") == len(with_own_card)


async def test_an_open_event_stream_does_not_delay_the_stop(desk):
    browser = await desk.sign_in("ana")
    async with browser.get("/events") as response:
        await response.content.readline()
        async with asyncio.timeout(4):
            await desk.web.stop()


async def test_next_goes_to_the_most_urgent_unclaimed_case(desk, harness: Harness):
    mild = await harness.case("Ferroviola boh (-)", author="a")
    severe = await harness.case("Ferroviola preso fuoco (-)", author="b")
    browser = await desk.sign_in("ana")
    async with browser.get("/next", allow_redirects=False) as response:
        assert response.headers["Location"] == f"/cases/{severe.id}"
    await harness.do(case_actions.claim, severe.id, harness.member("bruno"))
    async with browser.get("/next", allow_redirects=False) as response:
        assert response.headers["Location"] == f"/cases/{mild.id}"


async def test_a_duplicate_group_is_one_line_with_its_count(desk, harness: Harness):
    for n in range(4):
        await harness.receive(
            harness.post(f"Ferroviola ferma da due ore a Bologna, nessuno dice niente {n} (-)", author=f"a{n}")
        )
    await harness.analyze()
    browser = await desk.sign_in("ana")
    async with browser.get("/list") as response:
        page = await _text(response)
    assert page.count("data-case=") == 1
    assert "4 similar" in page
    async with browser.get("/cases/1") as response:
        assert "3 similar posts" in await _text(response)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("servizio pessimo davvero", "servizio <mark>pessimo</mark> davvero"),
        ("<b>x</b>\n pessimo", "&lt;b&gt;x&lt;/b&gt;\n <mark>pessimo</mark>"),
        ("<script> </mark>", "<mark>&lt;script&gt;</mark> &lt;/mark&gt;"),
        ("", ""),
    ],
)
def test_influential_words_are_highlighted_and_all_text_is_escaped(text: str, html: str):
    assert str(highlighted(text, (InfluentialWord("pessimo", 2.0), InfluentialWord("<script>", 1.0)))) == html


async def test_an_approval_is_requested_and_given_and_both_texts_are_shown(desk, harness: Harness):
    await harness.apply(ConfigurationFile(members=(Member(slug="dora", name="Dora", role="approver"),)))
    await harness.change_queue("trains", team=("ana", "lidia", "dora"), approvals=1)
    case = await harness.case()
    ana, dora = await desk.sign_in("ana"), await desk.sign_in("dora")
    await ana.post(f"/cases/{case.id}/actions/claim")
    form = {"text": "@rita ci scusiamo. https://ferroviola.example/aiuto", "seen": "language"}
    async with ana.post(f"/cases/{case.id}/approve", data=form) as response:
        assert "1 more approval needed" in response.headers["HX-Trigger"]
        assert "Waiting for approval: 0 of 1" in await response.text()
    [reply] = await harness.all(Reply)
    async with dora.get(f"/cases/{case.id}/editor") as response:
        assert "Ana requests your approval" in await _text(response)
    async with dora.get(f"/cases/{case.id}/checks") as response:
        assert "/ 300" in await _text(response)
    form = {"reply": str(reply.id), "revision": str(reply.revision), "text": "@rita ci scusiamo molto.", "seen": ""}
    async with dora.post(f"/cases/{case.id}/approve_proposal", data=form) as response:
        assert "Read the remarks" in response.headers["HX-Trigger"], "the edited text has other remarks"
        assert "ci scusiamo molto" in await response.text(), "what was typed is kept"
    form |= {"revision": str(reply.revision + 1), "seen": "language,reference"}
    async with dora.post(f"/cases/{case.id}/approve_proposal", data=form) as response:
        assert '"Approved"' in response.headers["HX-Trigger"]
    [reply] = await harness.all(Reply)
    assert (reply.state, reply.text, reply.approved_by) == ("approved", form["text"], harness.member("dora"))


async def test_a_duplicate_group_is_answered_on_one_page_that_shows_each_text(desk, harness: Harness):
    text = "Ferroviola treno delle sette soppresso a Bologna senza nessun avviso, vergogna totale, rimborsate tutti subito (-)"
    for author in ("rita", "ugo", "ivo", "eva"):
        await harness.receive(harness.post(f"{text} {author[0]}", author=author))
        await harness.analyze()
    first, second, third, fourth = [case.id for case in await harness.all(Case)]
    ana = await desk.sign_in("ana")
    url = f"/cases/{first}/bulk_reply"
    assert "Write the reply to one of the cases first" in await _text(await ana.get(url))
    await ana.post(f"/cases/{first}/draft", data={"text": "@rita ci scusiamo, a presto"})
    page = await _text(await ana.get(url))
    for author in ("ugo", "ivo", "eva"):
        assert f"@{author} ci scusiamo, a presto" in page
    await (await desk.sign_in("bruno")).post(f"/cases/{third}/actions/claim")
    ticked = [("case", str(n)) for n in (second, third)]
    texts = [(f"text-{n}", text) for n, text in ((second, "@ugo scusi davvero"), (third, "@ivo ci scusiamo"))]
    page = await _text(await ana.post(url, data=aiohttp.FormData([*ticked, *texts])))
    assert "1 done" in page
    assert "could not be done" in page
    by_case = {reply.case_id: (reply.state, reply.text) for reply in await harness.all(Reply)}
    assert by_case[second] == ("approved", "@ugo scusi davvero")
    assert third not in by_case
    await _text(await ana.post(url, data={"case": str(fourth), "reason": "no-answer"}))
    assert (await harness.get(Case, fourth)).state == "dismissed"


async def test_the_bulk_reply_page_accepts_no_invalid_form_and_no_other_brand(desk, harness: Harness):
    case = await harness.case()
    ana = await desk.sign_in("ana")
    for form in ({}, {"case": "x"}, {"case": "999999"}, {"case": str(case.id)}, {"case": "1" * 30, "reason": "?"}):
        assert (await ana.post(f"/cases/{case.id}/bulk_reply", data=form)).status == 200
    assert (await harness.get(Case, case.id)).state == "waiting"
    assert (await (await desk.sign_in("piero")).get(f"/cases/{case.id}/bulk_reply")).status == 404
    assert (await ana.get("/cases/999999/bulk_reply")).status == 404


async def test_members_set_their_own_quiet_hours_and_absences(desk, harness: Harness):
    ana = await desk.sign_in("ana")
    await ana.post("/me", data={"quiet_hours": "22:00-07:00", "absence": "24.12 6.1 bruno"})
    await harness.apply(ConfigurationFile())
    _, member = harness.configuration.members.by_slug("ana")
    assert (member.quiet_hours, member.absences[0].cover) == ({"mon-sun": "22:00-07:00"}, "bruno")
    page = await _text(await ana.get("/me"))
    assert "22:00-07:00" in page
    assert "6 Jan 2027" in page
    assert "Use a format like 22:00-07:00" in await _text(await ana.post("/me", data={"quiet_hours": "<script>"}))


async def test_the_digest_has_a_chart(desk, harness: Harness):
    ana = await desk.sign_in("ana")
    assert (await ana.get("/digest/chart.png")).status == 404
    await harness.case()
    response = await ana.get("/digest/chart.png?period=week&date=invalid")
    assert (response.content_type, (await response.read())[:4]) == ("image/png", b"\x89PNG")


def test_case_numbers_become_links_and_the_rest_is_escaped():
    line = "To answer: #12 @<b>: “#x C#7”"
    assert with_links(line) == 'To answer: <a href="/cases/12">#12</a> @&lt;b&gt;: “#x C#7”'


async def test_grammar_remarks_are_shown_below_the_text(desk, harness: Harness):
    class Grammar:
        async def check(self, text: str, _language: str) -> list[Finding]:
            return [Finding(kind="grammar", message="“{words}”: hm", values={"words": text[:3]})]

    desk.application.grammar = Grammar()
    case = await harness.case()
    ana = await desk.sign_in("ana")
    page = await _text(await ana.post(f"/cases/{case.id}/draft", data={"text": "@rita <b>ciao"}))
    assert "“@ri”: hm" in page


async def test_a_mention_of_another_brand_cannot_be_opened(desk, harness: Harness):
    url = "https://t.me/c/123/45"
    await harness.receive(harness.post("Ferroviola: resti tra noi", url=url))
    other = Member(slug="piero", name="Piero", role="manager", brands=("panegrano",))
    await harness.apply(ConfigurationFile(members=(other,)))
    browser = await desk.sign_in("piero")
    form = {"url": url, "brand": str(harness.brand("panegrano"))}
    async with browser.post("/open", data=form, allow_redirects=False) as response:
        assert response.status == 200, "the page asks for the text"
        assert "resti tra noi" not in await response.text()
    [mention] = await harness.all(Mention)
    with pytest.raises(Refused, match="does not exist for Panegrano"):
        await harness.do(case_actions.open_by_hand, harness.brand("panegrano"), mention.id, harness.member("piero"))
