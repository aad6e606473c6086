"""What is looked at before a reply is approved: what stops it, and what the manager should see.

The owner's rules: diplomatic; a link or reference where there is one; an apology where the mistake is ours; never a typo,
never a promise nobody approved, never somebody's personal data.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import msgspec

from models.capabilities import NO_VOICE, Capabilities
from models.catalogue import Brand
from models.query import Query, Subject, parse
from models.text import fold


def _(message: str) -> str:
    """Marks a sentence for translation; it is translated where it is shown."""
    return message


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`message` is the sentence to translate, `values` fill its {places}; one that `stops` cannot be approved."""

    kind: str
    message: str
    values: dict[str, str] = {}
    stops: bool = False

    def said(self, translate: Callable[[str], str]) -> str:
        return translate(self.message).format(**self.values)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A reply as the checks see it."""

    text: str
    language: str
    """Of the case that it answers."""
    brand: Brand
    connection: str
    author: str
    """The handle of who is answered: naming them gives nothing away."""
    complaint: bool
    asked_us: bool = True
    """Whether the post spoke to our account."""


_PLACE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\[\[.*?\]\]|_{3,}|\bX{3,}\b|<[a-z_ ]+>", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w/])\+?\d[\d ./-]{7,}\d(?!\w)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_FISCAL = re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b|\b[1-8]\d{12}\b", re.IGNORECASE)
_TWICE = re.compile(r"\b(\w{2,})\s+\1\b", re.IGNORECASE)
_SPACING = re.compile(r"[^\S\n]{2,}|\s[,;.!?](?!\.)|[,;](?=[^\W\d])")
_CEDILLA = re.compile("[şţŞŢ]")

_PROMISE: Final = parse(
    'rimbors* OR risarci* OR garantiamo OR "le garantisco" OR "vi garantisco" OR "promettiamo" OR sconto OR gratuit*'
    " OR ramburs* OR despagub* OR garantam OR promitem OR reducere OR gratuit"
    ' OR refund* OR compensat* OR guarantee* OR promise OR discount OR "free of charge"'
    ' OR "entro oggi" OR "entro domani" OR "entro 24 ore" OR "entro 48 ore" OR "pana maine" OR "in 24 de ore" OR "in 48 de ore"'
    ' OR "by tomorrow" OR "within 24 hours" OR "within 48 hours"'
)
_SORRY: Final = parse(
    'scus* OR spiace OR dispiace OR dispiaciut* OR "ci rincresce" OR "ne pare rau" OR "imi pare rau" OR scuze OR regret*'
    " OR sorry OR apolog*"
)
_RUDE: Final = parse(
    '"si calmi" OR "calmati" OR "colpa sua" OR "colpa tua" OR "come gia detto" OR "legga meglio" OR "non e un nostro problema"'
    ' OR "calmati-va" OR "linistiti-va" OR "vina dumneavoastra" OR "vina ta" OR "nu e problema noastra" OR "cititi mai atent"'
    ' OR "calm down" OR "your fault" OR "not our problem" OR "as already stated" OR "read more carefully"'
)


@dataclass(frozen=True)
class Checker:
    """`capabilities` per connection that publishes; `identify` names the language of a text; `misspelt` (spelling.Speller)
    finds (word, what was meant) in a language, names that are known left alone."""

    capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    identify: Callable[[str], str] = lambda _: "und"
    misspelt: Callable[[str, str, Sequence[str]], Sequence[tuple[str, str]]] = lambda *_: ()

    def of(self, connection: str) -> Capabilities:
        return self.capabilities.get(connection, NO_VOICE)

    def check(self, draft: Draft) -> list[Finding]:
        """What stops it first, then what should be seen."""
        if not draft.text.strip():
            return [Finding(kind="empty", message=_("The reply is empty."), stops=True)]
        found = [
            *self._length(draft),
            *self._name(draft),
            *_places(draft.text),
            *self._language(draft),
            *_links(draft),
            *_personal(draft),
            *_promises(draft.text),
            *_manners(draft),
            *_typos(draft),
            *self._spelling(draft),
        ]
        return sorted(found, key=lambda finding: not finding.stops)

    def _spelling(self, draft: Draft) -> Iterator[Finding]:
        known = (draft.author, draft.brand.name, draft.brand.signature)
        words = [
            f"{word} → {meant}" if meant else word for word, meant in self.misspelt(draft.language, draft.text, known)
        ]
        if words:
            yield Finding(kind="spelling", message=_("In no dictionary: {words}"), values={"words": ", ".join(words)})

    def _length(self, draft: Draft) -> Iterator[Finding]:
        can = self.of(draft.connection)
        length = can.length(draft.text)
        if length > can.longest:
            values = {"length": str(length), "longest": str(can.longest)}
            yield Finding(kind="length", message=_("Too long: {length} of {longest}."), values=values, stops=True)

    def _name(self, draft: Draft) -> Iterator[Finding]:
        if self.of(draft.connection).names_author and f"@{draft.author}".casefold() not in draft.text.casefold():
            message = _("Without “{name}” in it the author is not told of the reply.")
            yield Finding(kind="name", message=message, values={"name": f"@{draft.author}"})
        if self.of(draft.connection).only_if_asked and not draft.asked_us:
            message = _(
                "The platform may refuse this: it lets a program answer only who spoke to the account. Copying it works."
            )
            yield Finding(kind="refusal", message=message)

    def _language(self, draft: Draft) -> Iterator[Finding]:
        found = self.identify(draft.text)
        if "und" not in (found, draft.language) and found != draft.language:
            yield Finding(
                kind="language",
                message=_("The reply seems to be in {reply}, the post is in {post}."),
                values={"reply": found, "post": draft.language},
            )


def _places(text: str) -> Iterator[Finding]:
    for place in dict.fromkeys(_PLACE.findall(text)):
        yield Finding(kind="placeholder", message=_("Still to be filled: {place}"), values={"place": place}, stops=True)


def _links(draft: Draft) -> Iterator[Finding]:
    links = _LINK.findall(draft.text)
    for link in links:
        host = (urlsplit(link if "://" in link else f"https://{link}").hostname or "").removeprefix("www.")
        if not any(host == own or host.endswith(f".{own}") for own in draft.brand.links):
            yield Finding(kind="link", message=_("This link is not the brand's own: {host}"), values={"host": host})
    if not links and draft.brand.help_link and draft.complaint:
        yield Finding(kind="reference", message=_("A link helps: {link}"), values={"link": draft.brand.help_link})


def _personal(draft: Draft) -> Iterator[Finding]:
    text = _LINK.sub(" ", draft.text)
    emails = [e for e in _EMAIL.findall(text) if e.rpartition("@")[2].lower() not in draft.brand.links]
    numbers = [*_IBAN.findall(text), *_FISCAL.findall(text)]
    phones = [p for p in _PHONE.findall(text) if len(re.sub(r"\D", "", p)) >= 9 and p not in numbers]
    for found in dict.fromkeys([*emails, *numbers, *phones]):
        yield Finding(
            kind="personal", message=_("This looks like somebody's personal data: {found}"), values={"found": found}
        )


def _promises(text: str) -> Iterator[Finding]:
    for words in _found(_PROMISE, text)[:2]:
        yield Finding(kind="promise", message=_("Is this promise approved? “{words}”"), values={"words": words})


def _manners(draft: Draft) -> Iterator[Finding]:
    for words in _found(_RUDE, draft.text)[:1]:
        yield Finding(kind="manners", message=_("This may sound rude: “{words}”"), values={"words": words})
    letters = [c for c in _LINK.sub("", draft.text) if c.isalpha()]
    if len(letters) > 15 and sum(c.isupper() for c in letters) > 0.6 * len(letters):
        yield Finding(kind="manners", message=_("Capital letters read as shouting."))
    if draft.complaint and not _found(_SORRY, draft.text):
        yield Finding(kind="apology", message=_("They complain, and the reply has no word of apology."))


def _typos(draft: Draft) -> Iterator[Finding]:
    text = _LINK.sub("http", draft.text)
    for word in dict.fromkeys(found.lower() for found in _TWICE.findall(text)):
        yield Finding(kind="typo", message=_("“{word}” stands twice."), values={"word": word})
    if _SPACING.search(text):
        yield Finding(kind="typo", message=_("Look at the spaces around the punctuation."))
    if draft.language == "ro" and _CEDILLA.search(text):
        yield Finding(kind="typo", message=_("Romanian ș and ț are written with a comma, not a cedilla."))
    if draft.language == "ro" and len(text) > 60 and fold(text) == text.lower():
        yield Finding(kind="typo", message=_("The Romanian diacritics are missing."))
    first = next((c for c in text if c.isalnum() or c == "@"), "")
    if first.islower() and not text.lstrip().startswith("http"):
        yield Finding(kind="typo", message=_("It begins with a small letter."))
    if text.count("(") != text.count(")"):
        yield Finding(kind="typo", message=_("A parenthesis is open or closed alone."))


def _found(query: Query, text: str) -> list[str]:
    return query.why(text, Subject(text))
