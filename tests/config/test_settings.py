import re
import tomllib
from pathlib import Path

import pytest

from config.connections import connection_sections
from config.settings import EXAMPLE, Settings, SettingsError, keys, load, secret, validated


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "ascolto.toml"
    file.write_text(text)
    return file


def test_the_example_has_the_defaults(tmp_path: Path):
    assert _without_paths(load(EXAMPLE)) == _without_paths(load(write(tmp_path, "")))


def _without_paths(settings: Settings) -> Settings:
    """Without the paths that depend on the folder of the file."""
    sentiment = settings.sentiment.model_copy(update={"calibration": None})
    return settings.model_copy(update={"store": None, "sentiment": sentiment})


def test_every_key_is_in_the_example_below_a_sentence():
    text = EXAMPLE.read_text()
    example = tomllib.loads(_uncommented(text))
    for section, names in keys().items():
        if section and not section.startswith("connections."):
            assert set(example[section]) == set(names), section
    examples = {connection["platform"]: set(connection) for connection in example["connections"]}
    assert examples == {platform: set(section.model_fields) for platform, section in connection_sections().items()}
    for line, following in zip(text.splitlines(), text.splitlines()[1:], strict=False):
        key = re.match(r"(# )?(\w+) = ", following)
        if key and key[2] not in ("name", "platform", "brand"):
            assert line.startswith("# "), following


def _uncommented(text: str) -> str:
    return re.sub(r"^# (?=\[\[|\w+ = )", "", text, flags=re.MULTILINE)


def test_the_commented_connections_of_the_example_are_valid(tmp_path: Path):
    settings = load(write(tmp_path, _uncommented(EXAMPLE.read_text())))
    assert len(settings.connections) == len(connection_sections())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[web]\nprot = 1", "web.prot: there is no such key; did you mean port?"),
        ("[wbe]\nport = 1", "wbe: there is no such key; did you mean web?"),
        ("[web]\nport = 99999", "web.port: Input should be less than or equal to 65535"),
        ('[[connections]]\nname = "a"\nplatform = "myspace"', "`platform` must be one of"),
        ('[[connections]]\nname = "a"', "`platform` must be one of"),
        ('[[connections]]\nplatform = "feed"\nurl = "https://x"', "connections.0.feed.name: this key is required"),
        ('[[connections]]\nname = "a"\nplatform = "feed"\nulr = "https://x"', "did you mean url?"),
        ('[[connections]]\nname = "a"\nplatform = "feed"\nurl = "file:///etc/passwd"', "connections.0.feed.url"),
        ('[[connections]]\nname = "a"\nplatform = "square"\n' * 2, "two connections are named a"),
        ("web = [", "this is not TOML"),
        ("\xff", "this is not TOML"),
    ],
)
def test_an_error_names_the_key_and_the_fix(tmp_path: Path, text: str, message: str):
    file = tmp_path / "ascolto.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError) as raised:
        load(file)
    assert message in str(raised.value)


def test_all_problems_are_reported_at_once(tmp_path: Path):
    with pytest.raises(SettingsError) as raised:
        load(write(tmp_path, '[web]\nprot = 1\nport = "x"\n[log]\nlevel = "loud"'))
    assert len(raised.value.problems) == 3


def test_a_relative_database_path_is_relative_to_the_settings_file(tmp_path: Path):
    assert load(write(tmp_path, '[store]\npath = "data/a.db"')).store.path == tmp_path / "data/a.db"


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASCOLTO_WEB__PORT", "9999")
    settings = load(write(tmp_path, '[web]\nport = 1\nhost = "127.0.0.2"'))
    assert (settings.web.port, settings.web.host) == (9999, "127.0.0.2")


def test_a_secret_is_read_from_the_environment_or_a_file_it_names(tmp_path: Path):
    (tmp_path / "token").write_text(" from the file \n")
    assert secret("TOKEN", {"TOKEN": "plain"}).get_secret_value() == "plain"
    assert secret("TOKEN", {"TOKEN_FILE": str(tmp_path / "token")}).get_secret_value() == "from the file"
    assert secret("TOKEN", {}) is None
    assert "plain" not in repr(secret("TOKEN", {"TOKEN": "plain"}))


def test_a_secret_in_the_file_itself_is_an_unknown_key(tmp_path: Path):
    with pytest.raises(SettingsError, match="did you mean token_env"):
        validated(tmp_path / "x", {"connections": [{"name": "t", "platform": "telegram", "token": "123:abc"}]})
