"""Spelling, with small dictionaries made here."""

from pathlib import Path

import pytest
from conftest import Harness

from models.errors import OperatorError
from models.tables.mention import Author
from publishing import approvals, replies
from publishing.checks import Checker
from publishing.spelling import SpellChecker
from triage import case_actions

AFF = "SET UTF-8\nSFX O Y 2\nSFX O o i o\nSFX O o a o\n"
WORDS = ["treno/O", "ci", "scusiamo", "per", "il", "ritardo", "è", "in", "viaggio", "l", "arriva", "perché"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "it_IT.aff").write_text(AFF)
    (tmp_path / "it_IT.dic").write_text("\n".join([str(len(WORDS)), *WORDS]))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "misspelled"),
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
def test_misspelled_words_are_returned_with_a_suggestion(folder: Path, text: str, misspelled: list[tuple[str, str]]):
    assert SpellChecker.load(folder, ["it"])("it", text) == misspelled


def test_given_names_and_other_languages_are_not_checked(folder: Path):
    check = SpellChecker.load(folder, ["it", "ro"])
    assert check("it", "ferroviola arriva in ritardo", ["Ferroviola"]) == []
    assert check("ro", "trenul întârzie") == []


def test_a_long_meaningless_text_is_checked_quickly(folder: Path):
    check = SpellChecker.load(folder, ["it"])
    assert len(check("it", "zzzzqqqq " * 2_000)) == 1


@pytest.mark.parametrize("files", [{}, {"it_IT.aff": "SET no-such-encoding", "it_IT.dic": "1\nx"}])
def test_a_missing_or_unreadable_dictionary_is_an_operator_error(tmp_path: Path, files: dict[str, str]):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(OperatorError, match=str(tmp_path)):
        SpellChecker.load(tmp_path, ["it"])


async def test_misspelled_words_are_a_finding_that_does_not_block(harness: Harness, folder: Path):
    harness.checker = Checker(misspelled=SpellChecker.load(folder, ["it"]))
    case = await harness.case("Ferroviola in ritardo (-)", language="it")
    await harness.do(case_actions.claim, case.id, harness.member("ana"))
    reply = await harness.do(replies.save_draft, case.id, harness.member("ana"), "Ci scusaimo, Ferroviola arriva")
    async with harness.store.reading() as session:
        author = await session.get_one(Author, case.author_id)
        findings = await approvals.check_text(harness.context(session), case, author, reply.text, "square")
    spelling = [finding for finding in findings if finding.kind == "spelling"]
    assert [(finding.values["words"], finding.blocks) for finding in spelling] == [("scusaimo → scusiamo", False)]
