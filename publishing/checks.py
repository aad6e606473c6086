"""Checks before approval: what blocks a reply, and what the member should see.

The rules: diplomatic; a link where there is one; an apology where the mistake is ours; never a typo, never a promise nobody
approved, never somebody's personal data.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import msgspec

from languages import mark
from models.capabilities import NO_RESPONDER, Capabilities
from models.configuration import Brand
from models.patterns import EMAIL, IBAN, ITALIAN_TAX_CODE, ROMANIAN_PERSONAL_NUMBER, URL
from models.query import Query, Subject, parse
from models.text import fold


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`message` is the sentence to translate, `values` fill its {placeholders}; one that `blocks` prevents approval."""

    kind: str
    message: str
    values: dict[str, str] = {}
    blocks: bool = False

    def message_for(self, translate: Callable[[str], str]) -> str:
        return translate(self.message).format(**self.values)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A reply as the checks see it."""

    text: str
    language: str
    """Of the case that it answers."""
    brand: Brand
    connection: str
    author: str
    """The handle of the author who is answered: naming them reveals nothing."""
    complaint: bool
    addresses_us: bool = True
    """Whether the post addressed our account."""


_PLACEHOLDER = re.compile(
    r"\{\{[^{}]*\}?\}?|\{%.*?%\}|\{ ?[^\W\d][\w ]{0,30} ?\}{1,2}|\[\[.*?\]\]|\[[^\W\d][\w ’']{0,40}\](?!\()"
    r"|%[^\W\d]\w{1,30}%|\$\{\w+\}|\$[^\W\d]\w{1,30}|_{3,}|\bX{3,}\b|<[^\W\d]\w{2,}(?:[ _]\w+)*>"
    r"|(?<![\w@#/.-])[A-ZÀ-Ý]{2,}(?:_[A-ZÀ-Ý0-9]+)+(?![\w/])"
)
_PHONE = re.compile(r"(?<![\w/])\+?\d[\d ./-]{7,}\d(?!\w)")
_REPEATED_WORD = re.compile(r"\b(\w{2,})\s+\1\b", re.IGNORECASE)
_SPACING = re.compile(r"[^\S\n]{2,}|\s[,;.!?](?!\.)|[,;](?=[^\W\d])")
_CEDILLA = re.compile("[şţŞŢ]")
_MIN_PHONE_DIGITS: Final = 9
_MIN_LETTERS: Final = 15
"""Letters below which capitals are no shouting."""
_MIN_ROMANIAN: Final = 60
"""Characters below which Romanian may have no diacritics."""

_PROMISE: Final = parse(
    'rimbors* OR risarci* OR garantiamo OR "le garantisco" OR "vi garantisco" OR "promettiamo" OR sconto OR gratuit*'
    " OR ramburs* OR despagub* OR garantam OR promitem OR reducere OR gratuit"
    ' OR refund* OR compensat* OR guarantee* OR promise OR discount OR "free of charge"'
    ' OR "entro oggi" OR "entro domani" OR "entro 24 ore" OR "entro 48 ore" OR "pana maine" OR "in 24 de ore" OR "in 48 de ore"'
    ' OR "by tomorrow" OR "within 24 hours" OR "within 48 hours"'
)
_APOLOGY: Final = parse(
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
    """`capabilities` by responder; `identify` names the language of a text; `misspelled` (spelling.SpellChecker) finds
    (word, suggestion) in a language, leaving names alone."""

    capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    identify: Callable[[str], str] = lambda _: "und"
    misspelled: Callable[[str, str, Sequence[str]], Sequence[tuple[str, str]]] = lambda *_: ()

    def of(self, connection: str) -> Capabilities:
        return self.capabilities.get(connection, NO_RESPONDER)

    def check(self, draft: Draft) -> list[Finding]:
        """Blocking findings first."""
        if not draft.text.strip():
            return [Finding(kind="empty", message=mark("The reply is empty."), blocks=True)]
        findings = [
            *self._length(draft),
            *self._platform_rules(draft),
            *_placeholders(draft.text),
            *self._language(draft),
            *_links(draft),
            *_personal_data(draft),
            *_promises(draft.text),
            *_tone(draft),
            *_typos(draft),
            *self._spelling(draft),
        ]
        return sorted(findings, key=lambda finding: not finding.blocks)

    def _spelling(self, draft: Draft) -> Iterator[Finding]:
        names = (draft.author, draft.brand.name, draft.brand.signature)
        words = [
            f"{word} → {suggestion}" if suggestion else word
            for word, suggestion in self.misspelled(draft.language, draft.text, names)
        ]
        if words:
            yield Finding(
                kind="spelling", message=mark("Not in the dictionary: {words}"), values={"words": ", ".join(words)}
            )

    def _length(self, draft: Draft) -> Iterator[Finding]:
        capabilities = self.of(draft.connection)
        length = capabilities.length(draft.text)
        if length > capabilities.max_length:
            values = {"length": str(length), "limit": str(capabilities.max_length)}
            yield Finding(kind="length", message=mark("Too long: {length} of {limit}."), values=values, blocks=True)

    def _platform_rules(self, draft: Draft) -> Iterator[Finding]:
        capabilities = self.of(draft.connection)
        if capabilities.must_mention_author and f"@{draft.author}".casefold() not in draft.text.casefold():
            message = mark("The author is only notified if the reply contains “{name}”.")
            yield Finding(kind="name", message=message, values={"name": f"@{draft.author}"})
        if capabilities.only_when_addressed and not draft.addresses_us:
            message = mark(
                "The platform may reject this: apps can only answer posts that mention the account. Copying the reply works."
            )
            yield Finding(kind="rejection", message=message)

    def _language(self, draft: Draft) -> Iterator[Finding]:
        language = self.identify(draft.text)
        if "und" not in (language, draft.language) and language != draft.language:
            yield Finding(
                kind="language",
                message=mark("The reply seems to be in {reply}, the post is in {post}."),
                values={"reply": language, "post": draft.language},
            )


def _placeholders(text: str) -> Iterator[Finding]:
    for placeholder in dict.fromkeys(_PLACEHOLDER.findall(text)):
        yield Finding(
            kind="placeholder",
            message=mark("Fill in the placeholder: {placeholder}"),
            values={"placeholder": placeholder},
            blocks=True,
        )


def _links(draft: Draft) -> Iterator[Finding]:
    links = URL.findall(draft.text)
    for link in links:
        host = (urlsplit(link if "://" in link else f"https://{link}").hostname or "").removeprefix("www.")
        if not any(host == own or host.endswith(f".{own}") for own in draft.brand.link_domains):
            yield Finding(kind="link", message=mark("This link is not the brand's own: {host}"), values={"host": host})
    if not links and draft.brand.help_link and draft.complaint:
        yield Finding(kind="reference", message=mark("Consider adding {link}."), values={"link": draft.brand.help_link})


def _personal_data(draft: Draft) -> Iterator[Finding]:
    text = URL.sub(" ", draft.text)
    if "@" in draft.author:  # the handle of who is answered, on a platform of many servers
        text = re.sub(rf"@{re.escape(draft.author.lstrip('@'))}(?![\w-])", " ", text, flags=re.IGNORECASE)
    emails = [e for e in EMAIL.findall(text) if e.rpartition("@")[2].lower() not in draft.brand.link_domains]
    upper = text.upper()
    numbers = [*IBAN.findall(text), *ITALIAN_TAX_CODE.findall(upper), *ROMANIAN_PERSONAL_NUMBER.findall(text)]
    phones = [p for p in _PHONE.findall(text) if len(re.sub(r"\D", "", p)) >= _MIN_PHONE_DIGITS and p not in numbers]
    for value in dict.fromkeys([*emails, *numbers, *phones]):
        yield Finding(
            kind="personal data", message=mark("This looks like personal data: {value}"), values={"value": value}
        )


def _promises(text: str) -> Iterator[Finding]:
    for words in _matched(_PROMISE, text)[:2]:
        yield Finding(kind="promise", message=mark("Is this promise approved? “{words}”"), values={"words": words})


def _tone(draft: Draft) -> Iterator[Finding]:
    for words in _matched(_RUDE, draft.text)[:1]:
        yield Finding(kind="tone", message=mark("This may sound rude: “{words}”"), values={"words": words})
    letters = [c for c in URL.sub("", draft.text) if c.isalpha()]
    if len(letters) > _MIN_LETTERS and sum(c.isupper() for c in letters) > 0.6 * len(letters):
        yield Finding(kind="tone", message=mark("Capital letters read as shouting."))
    if draft.complaint and not _matched(_APOLOGY, draft.text):
        yield Finding(kind="apology", message=mark("The reply to a complaint contains no apology."))


def _typos(draft: Draft) -> Iterator[Finding]:
    text = URL.sub("http", draft.text)
    for word in dict.fromkeys(repeated.lower() for repeated in _REPEATED_WORD.findall(text)):
        yield Finding(kind="typo", message=mark("“{word}” is repeated."), values={"word": word})
    if _SPACING.search(text):
        yield Finding(kind="typo", message=mark("Check the spaces around the punctuation."))
    if draft.language == "ro" and _CEDILLA.search(text):
        yield Finding(kind="typo", message=mark("Romanian ș and ț are written with a comma, not a cedilla."))
    if draft.language == "ro" and len(text) > _MIN_ROMANIAN and fold(text) == text.lower():
        yield Finding(kind="typo", message=mark("The Romanian diacritics are missing."))
    first = next((c for c in text if c.isalnum() or c == "@"), "")
    if first.islower() and not text.lstrip().startswith("http"):
        yield Finding(kind="typo", message=mark("It starts with a lowercase letter."))
    if text.count("(") != text.count(")"):
        yield Finding(kind="typo", message=mark("Unbalanced parentheses."))


def _matched(query: Query, text: str) -> list[str]:
    return query.matched_words(text, Subject(text))
