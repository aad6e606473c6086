"""What the operator decides: the machinery, and the names of secrets. One file, `ascolto.toml`.

Brands, queries, queues, members and saved replies are not here: they are rows (`ascolto apply FILE`).
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.connections import AnyConnection, connection_sections
from config.section import Section

FILE: Final = "ascolto.toml"
EXAMPLE: Final = Path(__file__).parent / "ascolto.example.toml"
ENVIRONMENT: Final = "ASCOLTO_"


class SettingsError(Exception):
    """`problems` are sentences for the operator, one for each wrong key."""

    def __init__(self, file: Path, problems: list[str]) -> None:
        super().__init__(f"{file}:\n" + "\n".join(f"  · {line}" for line in problems))
        self.file = file
        self.problems = problems


class Store(Section):
    path: Path = Path("ascolto.db")


class Web(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8420
    allowed_hosts: tuple[str, ...] = ()
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()


class Webhooks(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8421


class Sentiment(Section):
    model: str = "bundled"
    revision: str = ""
    languages: tuple[str, ...] = ("it", "ro", "en")
    calibration: Path = Path("sentiment-calibration.json")
    train_overnight: bool = True


class SecondOpinion(Section):
    """Off while `url` is empty."""

    url: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""
    model: str = ""
    key_env: str = "ASCOLTO_SECOND_OPINION_KEY"
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    price_in: Annotated[float, Field(ge=0)] = 0.0
    price_out: Annotated[float, Field(ge=0)] = 0.0
    monthly_budget: Annotated[float, Field(ge=0)] = 0.0


class Drafting(Section):
    """Off while `url` is empty."""

    url: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""
    model: str = ""
    key_env: str = "ASCOLTO_DRAFTING_KEY"
    max_length: Annotated[int, Field(ge=50, le=2_000)] = 400
    price_in: Annotated[float, Field(ge=0)] = 0.0
    price_out: Annotated[float, Field(ge=0)] = 0.0
    monthly_budget: Annotated[float, Field(ge=0)] = 0.0


class Spelling(Section):
    """Off while both are empty."""

    dictionaries: str = ""
    languagetool: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""


class Triage(Section):
    backfill_max_age_hours: Annotated[int, Field(ge=0)] = 24


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "pretty", "json"] = "auto"


class Settings(BaseSettings):
    """The whole file. Any key outside of connections can also be set as ASCOLTO_SECTION__KEY, which overrides the file."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT, env_nested_delimiter="__", env_ignore_empty=True
    )

    default_brand: str = ""
    store: Store = Store()
    web: Web = Web()
    webhooks: Webhooks = Webhooks()
    sentiment: Sentiment = Sentiment()
    second_opinion: SecondOpinion = SecondOpinion()
    drafting: Drafting = Drafting()
    spelling: Spelling = Spelling()
    triage: Triage = Triage()
    log: Log = Log()
    connections: tuple[AnyConnection, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - named by pydantic
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def load(file: Path) -> Settings:
    """Reads a file; raises SettingsError with every problem at once. Relative paths are relative to the file."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(file, [f"this is not TOML: {error}"]) from error
    settings = validated(file, content)
    return settings.model_copy(
        update={
            "store": _beside(file, settings.store, "path"),
            "sentiment": _beside(file, settings.sentiment, "calibration"),
        }
    )


def _beside(file: Path, section: Section, key: str) -> Section:
    """The section with a relative path resolved against the settings file's folder."""
    return section.model_copy(update={key: file.parent.resolve() / getattr(section, key)})


def validated(file: Path, content: Mapping[str, Any]) -> Settings:
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise SettingsError(file, [_describe(dict(problem)) for problem in error.errors()]) from error
    names = [connection.name for connection in settings.connections]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SettingsError(file, [f"two connections are named {name}" for name in repeated])
    return settings


def secret(name: str, environment: Mapping[str, str] = os.environ) -> SecretStr | None:
    """The environment variable NAME, or the content of the file that NAME_FILE names; None where there is neither."""
    value = environment.get(name, "")
    file = environment.get(f"{name}_FILE", "")
    if not value and file:
        value = Path(file).read_text(encoding="utf-8").strip()
    return SecretStr(value) if value else None


def keys() -> dict[str, tuple[str, ...]]:
    """Every key of every section; connections as `connections.PLATFORM`."""
    known: dict[str, tuple[str, ...]] = {"": tuple(Settings.model_fields)}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            known[name] = tuple(field.annotation.model_fields)
    for platform, section in connection_sections().items():
        known[f"connections.{platform}"] = tuple(section.model_fields)
    return known


def _describe(problem: Mapping[str, Any]) -> str:
    path = [str(part) for part in problem["loc"]]
    where = ".".join(path)
    if problem["type"] == "extra_forbidden":
        siblings = _siblings(path)
        near = get_close_matches(path[-1], siblings, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(siblings)}"
        return f"{where}: there is no such key; {hint}"
    if problem["type"] == "missing":
        return f"{where}: this key is required"
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        platforms = ", ".join(connection_sections())
        return f"{where}: `platform` must be one of {platforms}"
    return f"{where}: {problem['msg']} (not {problem.get('input')!r})"


def _siblings(path: list[str]) -> tuple[str, ...]:
    known = keys()
    if path[0] == "connections" and len(path) > 2:
        return known.get(f"connections.{path[2]}", ())
    return known.get("" if len(path) == 1 else path[0], ())
