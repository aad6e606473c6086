"""`ascolto init`, and what `ascolto run` prints once it has started."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from ascolto.commands import apply_config
from config.settings import EXAMPLE, load
from models.errors import OperatorError
from models.text import fold

if TYPE_CHECKING:
    from ascolto.app import App

BRANDS: Final = """# Brands, queues, members and saved replies. Edit them and run:  ascolto apply brands.toml
# A running Ascolto picks the changes up at once; if anything here is invalid, nothing is changed.

[[brands]]
slug = "{slug}"
name = "{name}"
languages = ["it", "ro", "en"]
# Your own accounts, per platform: their posts are never mentions.
own_accounts = {{ bluesky = [], telegram = [] }}
# The domains that replies may link to, and your help page.
link_domains = []
help_link = ""
# Which connection of ascolto.toml publishes replies, per platform, such as {{ bluesky = "bluesky" }}.
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
# Business hours; deadlines count only these. Empty: always open.
hours = {{ mon-fri = "09:00-18:00" }}
first_answer_minutes = 60
team = ["me"]
# Who is notified, step by step, when a case is overdue.
escalation = ["me"]
# The chats where cards are shown, such as [{{ desk = "telegram", chat = "-1001234567890" }}].
chats = []
digest_at = "08:30"

[[members]]
slug = "me"
name = "Me"
role = "admin"
language = "en"
zone = "Europe/Rome"
# Your ids in chats, such as {{ telegram = "12345" }}: write to the bot and it replies with yours.
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
    """Asks for the brand's name where none is given; never overwrites a file."""
    settings, brands = folder / "ascolto.toml", folder / "brands.toml"
    for file in (settings, brands):
        if file.exists():
            raise OperatorError(f"{file} exists already.", "Edit it, or use another folder.")
    name = (brand or str(typer.prompt("The name of your first brand"))).strip()
    slug = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")[:40].strip("-")
    if not slug:
        raise OperatorError(f"“{name}” contains no letter or digit.", "Enter the brand's name.")
    folder.mkdir(parents=True, exist_ok=True)
    quoted = name.replace("\\", "").replace('"', "").replace("'", "’")
    query = f'"{quoted}" OR @{slug}' if " " in quoted else f"{quoted} OR @{slug}"
    settings.write_text(
        EXAMPLE.read_text(encoding="utf-8").replace('default_brand = ""', f'default_brand = "{slug}"'), encoding="utf-8"
    )
    brands.write_text(BRANDS.format(slug=slug, name=quoted, query=query), encoding="utf-8")
    apply_config.apply(load(settings), brands, json=False)
    where = "" if folder == Path() else f"cd {folder} && "
    typer.echo(
        f"\nWrote {settings} and {brands}, and applied {slug} as the default brand. Next:\n"
        f"  1. add a connection to {settings}: see the examples at its end; feeds and Bluesky need no credentials\n"
        f"  2. {where}ascolto check\n"
        f"  3. {where}ascolto run\n"
        f"  4. {where}ascolto invite me     (in another terminal: prints your sign-in link)"
    )


async def announce(app: "App") -> None:
    """Prints the address of the web desk."""
    typer.echo(f"Ascolto is listening. Web desk: {app.web.address}   To sign in: ascolto invite MEMBER")
