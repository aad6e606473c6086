"""Translations of the interface. English is in the code; the other languages are in `languages/<code>.po`.

The catalogs are read without compiling them, so that none can be outdated.
"""

from datetime import date, datetime, timedelta
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

SOURCE: Final = "en"
FOLDER: Final = Path(__file__).parent


def mark(message: str) -> str:
    """Marks a sentence for translation; it is translated where it is shown."""
    return message


class Translator:
    """Sentences, numbers and times in one language."""

    def __init__(self, code: str, translations: NullTranslations) -> None:
        self.code = code
        self._translations = translations

    def __call__(self, message: str, **values: object) -> str:
        """The sentence, with its {placeholders} filled in."""
        sentence = self._translations.gettext(message) if message else ""
        return sentence.format(**values) if values else sentence

    def count(self, one: str, many: str, number: int) -> str:
        """The plural for a number, which replaces {n}; Romanian has three."""
        return self._translations.ngettext(one, many, number).format(n=self.number(number))

    def number(self, number: float) -> str:
        from babel.numbers import format_decimal

        return format_decimal(number, locale=self.code)

    def percent(self, share: float) -> str:
        from babel.numbers import format_percent

        return format_percent(share, locale=self.code)

    def ago(self, moment: datetime, now: datetime) -> str:
        """ "3 minutes ago", "in 2 hours"."""
        from babel.dates import format_timedelta

        return format_timedelta(moment - now, add_direction=True, format="short", threshold=1.2, locale=self.code)

    def span(self, length: timedelta) -> str:
        """ "3 min", "2 h"."""
        from babel.dates import format_timedelta

        return format_timedelta(length, format="short", threshold=1.2, locale=self.code)

    def moment(self, moment: datetime, zone: str) -> str:
        """Day and time in that zone."""
        from babel.dates import format_datetime

        return format_datetime(moment, "EEE d MMM HH:mm", tzinfo=ZoneInfo(zone), locale=self.code)

    def clock(self, moment: datetime, zone: str) -> str:
        return f"{moment.astimezone(ZoneInfo(zone)):%H:%M}"

    def day(self, moment: datetime, zone: str) -> str:
        from babel.dates import format_date

        return format_date(moment.astimezone(ZoneInfo(zone)).date(), "EEEE d MMMM", locale=self.code)

    def long_date(self, day: date) -> str:
        from babel.dates import format_date

        return format_date(day, "d MMM y", locale=self.code)

    def short_day(self, day: date) -> str:
        from babel.dates import format_date

        return format_date(day, "d MMM", locale=self.code)

    def name_of(self, language: str) -> str:
        """The name of a language in this one."""
        from babel import Locale
        from babel.core import UnknownLocaleError

        try:
            return Locale.parse(language).get_language_name(self.code) or language
        except (UnknownLocaleError, ValueError):
            return language


def available() -> tuple[str, ...]:
    return (SOURCE, *sorted(file.stem for file in FOLDER.glob("*.po")))


@cache
def translator(code: str) -> Translator:
    """English for a language without a catalog."""
    file = FOLDER / f"{code}.po"
    if not code.isalpha() or not file.exists():
        return Translator(SOURCE, NullTranslations())
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with file.open("rb") as lines:
        catalog = read_po(lines, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translator(code, GNUTranslations(compiled))
