"""Spelling, with small dictionaries that are made here."""

from pathlib import Path

import pytest
from conftest import House

from models.errors import OperatorError
from triage import actions, replying
from triage.checks import Checker
from triage.replying import to_check
from triage.spelling import Speller

AFF = "SET UTF-8\nSFX O Y 2\nSFX O o i o\nSFX O o a o\n"
WORDS = ["treno/O", "ci", "scusiamo", "per", "il", "ritardo", "è", "in", "viaggio", "l", "arriva", "perché"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "it_IT.aff").write_text(AFF)
    (tmp_path / "it_IT.dic").write_text("\n".join([str(len(WORDS)), *WORDS]))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Ci scusiamo per il ritardo", []),
        ("il treni", []),
        ("Ci scusaimo per il rtardo", [("scusaimo", "scusiamo"), ("rtardo", "ritardo")]),
        ("perchè il treno è in ritardo", [("perchè", "perché")]),
        ("il treno di Bologna, @rita_b", [("di", "ci")]),
        ("il treno https://ferroviola.example/aiutto #rittardo 18:05 {{ numero }}", []),
        ("l'arriva", []),
        ("xyzzyx", [("xyzzyx", "")]),
        ("", []),
        ("💥 ... \x00", []),
    ],
)
def test_words_that_stand_in_no_dictionary_are_named_with_what_was_meant(folder: Path, text: str, wrong: list):
    assert Speller.load(folder, ["it"])("it", text) == wrong


def test_names_that_are_known_and_other_languages_are_left_alone(folder: Path):
    speller = Speller.load(folder, ["it", "ro"])
    assert speller("it", "ferroviola arriva in ritardo", ["Ferroviola"]) == []
    assert speller("ro", "trenul întârzie") == []


def test_a_long_text_of_rubbish_is_looked_through_in_no_time(folder: Path):
    speller = Speller.load(folder, ["it"])
    assert len(speller("it", "zzzzqqqq " * 2_000)) == 1


@pytest.mark.parametrize("files", [{}, {"it_IT.aff": "SET no-such-encoding", "it_IT.dic": "1\nx"}])
def test_a_folder_without_a_dictionary_and_a_broken_one_are_named(tmp_path: Path, files: dict):
    for name, words in files.items():
        (tmp_path / name).write_text(words)
    with pytest.raises(OperatorError, match=str(tmp_path)):
        Speller.load(tmp_path, ["it"])


async def test_the_manager_sees_it_before_saying_yes(house: House, folder: Path):
    case = await house.case("Ferroviola in ritardo (-)", language="it")
    await house.do(actions.claim, case.id, house.member("ana"))
    reply = await house.do(replying.draft, case.id, house.member("ana"), "Ci scusaimo, Ferroviola arriva")
    async with house.store.reading() as session:
        from models.mention import Author

        author = await session.get_one(Author, case.author_id)
        draft = await to_check(house.turn(session), case, author, reply.text, "square")
    found = [one for one in Checker(misspelt=Speller.load(folder, ["it"])).check(draft) if one.kind == "spelling"]
    assert [(one.values["words"], one.stops) for one in found] == [("scusaimo → scusiamo", False)]
