"""`ascolto init`, and what `ascolto run` says when it is up."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from ascolto import applying
from config.settings import EXAMPLE, load
from models.errors import OperatorError
from models.text import fold

if TYPE_CHECKING:
    from ascolto.app import App

BRANDS: Final = """# Brands, queues, members and saved replies. Change them and run:  ascolto apply brands.toml
# A running Ascolto takes the change over at once; nothing is changed when anything here is wrong.

[[brands]]
slug = "{slug}"
name = "{name}"
languages = ["it", "ro", "en"]
# Your own accounts, per platform: what they say is never a mention.
own = {{ bluesky = [], telegram = [] }}
# The sites that replies may link to, and the page that helps most.
links = []
help_link = ""
# Which connection of ascolto.toml answers, per platform, such as {{ bluesky = "bluesky" }}.
publish = {{}}

[[brands.queries]]
slug = "name"
# Try it on a file of posts:  ascolto query test '{query}' FILE
text = '{query}'

[[brands.topics]]
slug = "delivery"
text = 'consegn* OR spedizion* OR pacco OR livrar* OR colet* OR deliver* OR parcel'

[[brands.topics]]
slug = "billing"
text = 'bollett* OR fattur* OR addebit* OR factur* OR bill* OR charged OR invoice'

[[queues]]
slug = "main"
name = "{name}"
brands = ["{slug}"]
language = "en"
zone = "Europe/Rome"
# Opening times; deadlines count only these. Empty means always open.
hours = {{ mon-fri = "09:00-18:00" }}
first_answer_minutes = 60
resolution_minutes = 480
team = ["me"]
chain = ["me"]
# Where cards go in chats, such as [{{ desk = "telegram", chat = "-1001234567890" }}].
chats = []
digest_at = "08:30"

[[members]]
slug = "me"
name = "Me"
role = "admin"
language = "en"
zone = "Europe/Rome"
# Your number on Telegram: write to your bot and it tells you.
identities = {{}}

[[saved_replies]]
code = "sorry"
brand = "{slug}"
language = "it"
intents = ["complaint"]
text = "{{{{ author }}}} ci dispiace per quello che racconta. Ci scriva in privato: lo verifichiamo subito.{{% if link %}} {{{{ link }}}}{{% endif %}}"

[[saved_replies]]
code = "sorry"
brand = "{slug}"
language = "ro"
intents = ["complaint"]
text = "{{{{ author }}}} ne pare rău pentru ce ați pățit. Scrieți-ne în privat și verificăm imediat.{{% if link %}} {{{{ link }}}}{{% endif %}}"

[[saved_replies]]
code = "sorry"
brand = "{slug}"
language = "en"
intents = ["complaint"]
text = "{{{{ author }}}} we are sorry to read this. Write to us privately and we will look into it.{{% if link %}} {{{{ link }}}}{{% endif %}}"
"""


def init(folder: Path, brand: str) -> None:
    """Asks for the brand's name where none was given; never writes over a file."""
    settings, brands = folder / "ascolto.toml", folder / "brands.toml"
    for file in (settings, brands):
        if file.exists():
            raise OperatorError(f"{file} exists already.", "Change it by hand, or begin in another folder.")
    name = (brand or str(typer.prompt("What is your first brand called?"))).strip()
    slug = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")[:40].strip("-")
    if not slug:
        raise OperatorError(f"“{name}” holds no letter or digit.", "Give the brand's name.")
    folder.mkdir(parents=True, exist_ok=True)
    plain = name.replace("\\", "").replace('"', "").replace("'", "’")
    query = f'"{plain}" OR @{slug}' if " " in plain else f"{plain} OR @{slug}"
    settings.write_text(
        EXAMPLE.read_text(encoding="utf-8").replace('default_brand = ""', f'default_brand = "{slug}"'), encoding="utf-8"
    )
    brands.write_text(BRANDS.format(slug=slug, name=plain, query=query), encoding="utf-8")
    applying.apply(load(settings), brands, json=False)
    where = "" if folder == Path() else f"cd {folder} && "
    typer.echo(
        f"\nWrote {settings} and {brands}, and applied {slug} as the default brand. Next:\n"
        f"  1. add a connection to {settings}: the examples at its end need no credentials for feeds and Bluesky\n"
        f"  2. {where}ascolto check\n"
        f"  3. {where}ascolto run\n"
        f"  4. {where}ascolto invite me     (in another terminal: your link to the web desk)"
    )


async def announce(app: "App") -> None:
    """Where it is, once it is up."""
    typer.echo(f"Ascolto is listening. Web desk: {app.web.address}   A link for a member: ascolto invite MEMBER")
