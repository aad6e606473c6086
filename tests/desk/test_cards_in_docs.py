"""The cards on the page about teams are those that the desks show."""

import re
from html import unescape
from pathlib import Path

from conftest import Harness

from cards.case_view import case_view
from desk import discord_cards, slack_cards, telegram_cards
from languages import translator
from triage import case_actions

PAGE = (Path(__file__).parents[2] / "docs/teams.md").read_text()
TEXT = "Ferroviola, treno delle 18:05 soppresso senza un avviso. Domani chiamo il mio avvocato, vergogna. (-)"


def on_slack(blocks: list[dict]) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        if block["type"] == "actions":
            lines.append(buttons([element["text"]["text"] for element in block["elements"]]))
        elif block["type"] == "context":
            lines += [element["text"] for element in block["elements"]]
        else:
            lines += block["text"]["text"].split("\n")
    return [re.sub(r"[*_]", "", line) for line in lines]


def on_telegram(text: str, keyboard) -> list[str]:
    plain = unescape(re.sub(r"<[^>]+>", "", text.replace("<blockquote>", "> ")))
    return [*plain.split("\n"), *(buttons([button.text for button in row]) for row in keyboard.inline_keyboard)]


def on_discord(body: dict) -> list[str]:
    [embed] = body["embeds"]
    lines = embed["description"].split("\n") + ([embed["footer"]["text"]] if "footer" in embed else [])
    plain = [re.sub(r"\\(.)", r"\1", line.replace("**", "").removeprefix("-# ")) for line in lines]
    return [*plain, *(buttons([button["label"] for button in row["components"]]) for row in body["components"])]


def buttons(labels: list[str]) -> str:
    return " ".join(f"[ {label} ]" for label in labels)


async def test_the_page_shows_a_card_as_on_each_chat(harness: Harness):
    case = await harness.case(TEXT, author="rita", url="https://square.example/p/1", language="it")
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    await harness.do(case_actions.add_note, case.id, harness.member("ana"), "ne ho parlato con il deposito")
    async with harness.store.reading() as session:
        view = await case_view(harness.context(session), case.id)
    t = translator("en")
    cards = {
        "Slack": on_slack(slack_cards.render(view, t)[0]),
        "Telegram": on_telegram(*telegram_cards.render(view, t)),
        "Discord": on_discord(discord_cards.render(view, t)),
    }
    blocks = ["\n".join(line.rstrip() for line in lines).replace(" (-)", "") for lines in cards.values()]
    section = "\n\n".join(f"{desk}:\n\n```text\n{block}\n```" for desk, block in zip(cards, blocks, strict=True))
    assert section in PAGE, section
