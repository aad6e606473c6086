"""The reader, who is asked beside it, and the dictionaries, as the settings name them."""

from pathlib import Path

import aiohttp

from config.settings import Drafting, SecondOpinion, Sentiment, Settings, secret
from connections.chat import Chat
from models.sentiment import Reader, load
from triage import drafting
from triage.opinions import Terms
from triage.spelling import Speller


def reader_of(section: Sentiment) -> Reader:
    """Takes a second or so for the bundled one; call it off the event loop. Raises OperatorError with the step to take."""
    return load(section.model, section.languages, section.revision or None, section.calibration)


def terms_of(section: SecondOpinion) -> Terms | None:
    """None while nobody is to be asked."""
    if not section.url:
        return None
    return Terms(section.model, section.share, section.price_in, section.price_out, section.monthly_budget)


def speller_of(settings: Settings) -> Speller | None:
    """None where no folder is named. Takes seconds; raises OperatorError with the step to take."""
    folder = settings.spelling.dictionaries
    return Speller.load(Path(folder), settings.sentiment.languages) if folder else None


def drafting_terms_of(section: Drafting) -> drafting.Terms:
    return drafting.Terms(section.price_in, section.price_out, section.monthly_budget, section.longest)


def chat_of(section: SecondOpinion | Drafting, http: aiohttp.ClientSession) -> Chat:
    """The server that is asked. A local one may want no key."""
    key = secret(section.key_env)
    return Chat(http, section.url, section.model, key.get_secret_value() if key else "")
