"""Regular expressions that more than one package needs."""

import re
from typing import Final

LINK: Final = re.compile(r"(?:https?://|www\.)\S+")
"""Everything up to the next space, for taking links out of a text."""
URL: Final = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
"""A link as it would be followed."""
HANDLE: Final = re.compile(r"(?<!\w)@[\w.]*\w")
EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
"""Written in capitals, as on a bank statement; check digits are not looked at."""
ITALIAN_TAX_CODE: Final = re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b")
ROMANIAN_PERSONAL_NUMBER: Final = re.compile(r"(?<!\d)[1-8]\d{12}(?!\d)")
