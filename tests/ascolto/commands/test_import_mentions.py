import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Harness
from rich.progress import Progress

from analysis.brand_matching import BrandMatcher
from ascolto.application import utc_now
from ascolto.commands import export_mentions, import_mentions
from ascolto.commands.import_mentions import Report, import_rows
from config.settings import Settings
from models.interchange import from_columns, from_json
from models.tables.alert import Alert
from models.tables.case import Case
from models.tables.mention import Mention


class RunningApplication:
    """The test harness in the shape that an import needs."""

    def __init__(self, harness: Harness) -> None:
        self.store = harness.store
        self.classification = harness.classification
        self._harness = harness

    async def configuration(self):
        return self._harness.configuration

    async def matcher(self):
        return BrandMatcher(self._harness.configuration)


async def import_file(harness: Harness, file: Path, brand: str = "ferroviola") -> Report:
    with Progress(disable=True) as progress:
        return await import_rows(RunningApplication(harness), Settings(), file, brand, progress)


def row(number: int, **fields) -> dict:
    defaults = {
        "platform": "x",
        "id": str(number),
        "author": {"handle": f"a{number}"},
        "text": f"testo {number}",
        "created_at": "2026-11-01T10:00:00Z",
    }
    return {**defaults, **fields}


VALID = json.dumps(row(1)).encode()
INVALID = [
    (b"not json", "malformed"),
    (b'{"platform": "x"', "truncated"),
    (b"\xff\xfe\x00", "malformed"),
    (b'{"text": "\xff"}', "not UTF-8"),
    (json.dumps(row(2, text="")).encode(), "text is empty"),
    (json.dumps(row(2, text="x" * 1_500_000)).encode(), "longer than"),
    (json.dumps(row(2, id="")).encode(), "id is empty"),
    (json.dumps(row(2, author={})).encode(), "author: Object missing required field `handle`"),
    (json.dumps(row(2, created_at="ieri")).encode(), "created_at"),
    (json.dumps(row(2, created_at="2999-01-01T00:00:00Z")).encode(), "in the future"),
    (json.dumps(row(2, created_at="0001-01-01T00:00:00Z")).encode(), "before 1990"),
    (json.dumps(row(2, url="javascript:alert(1)")).encode(), "not http"),
    (json.dumps(row(2, author={"handle": "a", "followers": -1})).encode(), "negative"),
    (json.dumps(row(2, platform="")).encode(), "platform is missing"),
    (b"x" * 12_000_000, "malformed"),
    (b"[" * 100_000, ""),
]


@pytest.mark.parametrize(("line", "reason"), INVALID, ids=[reason or "deep" for _, reason in INVALID])
async def test_an_invalid_row_is_rejected_with_its_reason_and_the_rest_is_imported(
    harness: Harness, tmp_path: Path, line: bytes, reason: str
):
    file = tmp_path / "old.jsonl"
    file.write_bytes(VALID + b"\n" + line + b"\n\n" + json.dumps(row(3)).encode())
    report = await import_file(harness, file)
    assert (report.new, report.rejected) == (2, 1)
    [reject] = map(json.loads, import_mentions.rejects_of(file).read_text().splitlines())
    assert reject["line"] == 2
    assert reason in reject["reason"]


async def test_a_file_without_invalid_rows_leaves_no_rejects(harness: Harness, tmp_path: Path):
    file = tmp_path / "old.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + VALID)
    assert (await import_file(harness, file)).new == 1
    assert not import_mentions.rejects_of(file).exists()


async def test_an_interrupted_import_resumes_where_it_was(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(import_mentions, "BATCH", 10)
    file = tmp_path / "old.jsonl"
    file.write_text("\n".join(json.dumps(row(n)) if n % 7 else "bad" for n in range(1, 101)))
    original, calls = import_mentions.write_posts, 0

    async def interrupted(*arguments):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return await original(*arguments)

    monkeypatch.setattr(import_mentions, "write_posts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        await import_file(harness, file)
    monkeypatch.setattr(import_mentions, "write_posts", original)
    report = await import_file(harness, file)
    assert (report.resumed_at, report.rows, report.duplicates) == (30, 70, 0)
    assert len(await harness.all(Mention)) == 86
    rejects = [json.loads(line)["line"] for line in import_mentions.rejects_of(file).read_text().splitlines()]
    assert rejects == list(range(7, 101, 7))


async def test_an_import_opens_no_case_and_raises_no_alert(harness: Harness, tmp_path: Path):
    file = tmp_path / "old.jsonl"
    file.write_text(json.dumps(row(1, text="@ferroviola incendio, vi denuncio (-)")))
    await import_file(harness, file)
    await harness.analyze()
    assert await harness.all(Case) == []
    assert await harness.all(Alert) == []


CSV = """platform;id;author;author_name;author_followers;text;created_at;metrics_likes
x;1;ana;Ana;12;"ferroviola, in
due righe";2026-11-01 10:00;3
x;2;bo;;;;2026-11-01 10:00;
x;3;cy;;tanti;ferroviola;2026-11-01 10:00;
x;4;dy;;;ferroviola;2026-11-01T10:00:00+01:00;
"""


async def test_csv_is_read_with_any_delimiter(harness: Harness, tmp_path: Path):
    for delimiter in ";,\t":
        file = tmp_path / f"old{ord(delimiter)}.csv"
        text = CSV.replace("ferroviola, in", "ferroviola in").replace(";", delimiter)
        file.write_bytes(b"\xef\xbb\xbf" + text.replace("x" + delimiter, f"x{ord(delimiter)}" + delimiter).encode())
        report = await import_file(harness, file)
        assert (report.rows, report.new, report.rejected) == (4, 2, 2), delimiter
    mention = (await harness.all(Mention))[0]
    assert mention.text == "ferroviola in\ndue righe"
    assert mention.metrics == {"likes": 3}


async def test_a_csv_row_that_is_not_utf8_is_rejected(harness: Harness, tmp_path: Path):
    file = tmp_path / "old.csv"
    file.write_bytes(b"platform,id,author,text,created_at\nx,1,a,caff\xe8,2026-11-01\nx,2,a,caffe,2026-11-01\n")
    report = await import_file(harness, file)
    assert (report.new, report.rejected) == (1, 1)


async def test_without_a_brand_the_queries_decide(harness: Harness, tmp_path: Path):
    file = tmp_path / "old.jsonl"
    file.write_text(json.dumps(row(1, text="viva ferroviola")) + "\n" + json.dumps(row(2, text="altro")))
    report = await import_file(harness, file, brand="")
    assert (report.new, report.unmatched) == (1, 1)


def test_a_csv_time_may_be_in_seconds_since_1970():
    columns = {"platform": "x", "id": "1", "author": "an", "text": "ciao", "created_at": "1759312800"}
    assert from_columns(columns, utc_now(), "import").created_at == datetime(2025, 10, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"metrics": {"a": ' + b"[" * 5_000, "nested too deeply"),
        (json.dumps(row(1, author={"handle": "a", "followers": 2**63})).encode(), "too large"),
        (json.dumps(row(1, url="http://[bad")).encode(), "not http"),
    ],
)
def test_a_row_that_the_database_cannot_hold_is_rejected(line: bytes, reason: str):
    with pytest.raises(ValueError, match=reason):
        from_json(line, utc_now(), "import")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("ferroviola;=cmd|' /C calc'!A0", "ferroviola;'=cmd|' /C calc'!A0"),
        ("uno\n+39 02", "uno\n'+39 02"),
        ("-10% oggi; dai", "'-10% oggi; dai"),
        ("3 - 2 = 1", "3 - 2 = 1"),
    ],
)
def test_no_cell_of_an_export_is_a_formula_in_a_spreadsheet(text: str, cell: str):
    assert export_mentions._cell(text) == cell
