"""The cards that the README shows are those that the desks draw."""

import re
from html import unescape
from pathlib import Path

from conftest import House

from desk import discord_cards, slack_cards, telegram_cards
from languages import translator
from triage import actions
from triage.card import card

README = (Path(__file__).parents[2] / "README.md").read_text()
SAID = "Ferroviola, treno delle 18:05 soppresso senza un avviso. Domani chiamo il mio avvocato, vergogna. (-)"


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
    return [*plain.split("\n"), *(buttons([one.text for one in row]) for row in keyboard.inline_keyboard)]


def on_discord(body: dict) -> list[str]:
    [embed] = body["embeds"]
    lines = embed["description"].split("\n") + ([embed["footer"]["text"]] if "footer" in embed else [])
    plain = [re.sub(r"\\(.)", r"\1", line.replace("**", "").removeprefix("-# ")) for line in lines]
    return [*plain, *(buttons([one["label"] for one in row["components"]]) for row in body["components"])]


def buttons(labels: list[str]) -> str:
    return " ".join(f"[ {label} ]" for label in labels)


async def test_the_readme_shows_a_card_as_each_chat_draws_it(house: House):
    case = await house.case(SAID, author="rita", url="https://square.example/p/1", language="it")
    await house.do(actions.claim, case.id, house.member("ana"))
    await house.do(actions.note, case.id, house.member("ana"), "ne ho parlato con il deposito")
    async with house.store.reading() as session:
        shown = await card(house.turn(session), case.id)
    t = translator("en")
    drawn = {
        "Slack": on_slack(slack_cards.render(shown, t)[0]),
        "Telegram": on_telegram(*telegram_cards.render(shown, t)),
        "Discord": on_discord(discord_cards.render(shown, t)),
    }
    blocks = ["\n".join(line.rstrip() for line in lines).replace(" (-)", "") for lines in drawn.values()]
    section = "\n\n".join(f"{desk}:\n\n```text\n{block}\n```" for desk, block in zip(drawn, blocks, strict=True))
    assert section in README, section
