"""Builds what the settings ask for: the classifier, the spell checker, and clients of language models."""

from pathlib import Path

import aiohttp

from analysis import second_opinion
from ascolto.logs import redaction
from config.settings import Drafting, SecondOpinion, Sentiment, Settings, secret
from connections.chat_completions import ChatCompletions
from models.sentiment import Reader, load
from publishing import ai_drafts
from publishing.spelling import SpellChecker


def build_reader(section: Sentiment) -> Reader:
    """Takes about a second for the bundled model; call it off the event loop. Raises OperatorError with the step to take."""
    return load(section.model, section.languages, section.revision or None, section.calibration)


def build_spell_checker(settings: Settings) -> SpellChecker | None:
    """None where no folder is configured. Takes seconds; raises OperatorError with the step to take."""
    folder = settings.spelling.dictionaries
    return SpellChecker.load(Path(folder), settings.sentiment.languages) if folder else None


def second_opinion_terms(section: SecondOpinion) -> second_opinion.Terms | None:
    """None where it is off."""
    if not section.url:
        return None
    return second_opinion.Terms(
        section.model, section.share, section.price_in, section.price_out, section.monthly_budget
    )


def drafting_terms(section: Drafting) -> ai_drafts.Terms:
    return ai_drafts.Terms(section.price_in, section.price_out, section.monthly_budget, section.max_length)


def build_language_model(section: SecondOpinion | Drafting, http: aiohttp.ClientSession) -> ChatCompletions:
    """A local server may need no key."""
    key = secret(section.key_env)
    if key:
        redaction.add_secret(key.get_secret_value())
    return ChatCompletions(http, section.url, section.model, key.get_secret_value() if key else "")
