"""Duplicate groups: cases that say nearly the same, found by fingerprint and confirmed by comparison.

MinHash with banding (Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3).
"""

import re
import zlib
from collections.abc import Set
from datetime import timedelta
from typing import Final

from sqlalchemy import and_, func, or_, select, update

from models.patterns import LINK
from models.tables.case import OPEN, Case, CaseFingerprint
from models.tables.mention import Mention, MentionBrand
from triage.context import Context

BANDS: Final = 10
ROWS: Final = 2
SIMILARITY: Final = 0.55
"""Jaccard similarity of the sets of words."""
MIN_WORDS: Final = 5
MAX_CHARACTERS: Final = 2_000
WINDOW: Final = timedelta(hours=24)

_WORD = re.compile(r"\w{2,}")
_HANDLE = re.compile(r"@\w+")


def words(folded: str) -> frozenset[str]:
    """The words of a folded text that are compared: not its links and handles."""
    return frozenset(_WORD.findall(_HANDLE.sub(" ", LINK.sub(" ", folded[:MAX_CHARACTERS]))))


def fingerprint(text_words: Set[str]) -> list[int]:
    """BANDS numbers, of which texts with most words in common almost surely share at least one; none for short texts."""
    if len(text_words) < MIN_WORDS:
        return []
    hashes = [zlib.crc32(word.encode()) for word in text_words]
    minima = [min(_hash(h, seed) for h in hashes) for seed in range(BANDS * ROWS)]
    return [_hash(minima[n * ROWS] ^ (minima[n * ROWS + 1] << 1), n) for n in range(BANDS)]


def similar(one: Set[str], other: Set[str]) -> bool:
    return len(one & other) >= SIMILARITY * len(one | other)


async def join_group(context: Context, case: Case, folded: str) -> int:
    """Puts a new case into the duplicate group it belongs to, if any; returns the group's size, the case included."""
    text_words = words(folded)
    bands = fingerprint(text_words)
    for band, value in enumerate(bands):
        context.session.add(CaseFingerprint(case_id=case.id, band=band, value=value, brand_id=case.brand_id))
    other = await _nearest(context, case, text_words, bands) if bands else None
    if other is None:
        return 1
    group = other.duplicate_group_id or other.id
    if other.duplicate_group_id is None:
        other.duplicate_group_id = other.id
    case.duplicate_group_id = group
    await context.session.flush()
    # Only the first open case has a card: counting up all revisions would cost more the larger the group.
    first = select(func.min(Case.id)).where(Case.duplicate_group_id == group, Case.state.in_(OPEN)).scalar_subquery()
    await context.session.execute(
        update(Case)
        .where(Case.id == first, Case.id != case.id)
        .values(revision=Case.revision + 1)
        .execution_options(synchronize_session="fetch")
    )
    return await group_size(context, group)


async def group_size(context: Context, group_id: int) -> int:
    """How many cases a duplicate group has, ended ones too."""
    return await context.session.scalar(select(func.count()).where(Case.duplicate_group_id == group_id)) or 0


async def _nearest(context: Context, case: Case, text_words: Set[str], bands: list[int]) -> Case | None:
    same_band = or_(
        *(and_(CaseFingerprint.band == band, CaseFingerprint.value == value) for band, value in enumerate(bands))
    )
    rows = await context.session.execute(
        select(Case, Mention.folded)
        .join(CaseFingerprint, CaseFingerprint.case_id == Case.id)
        .join(MentionBrand, MentionBrand.case_id == Case.id)
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(
            CaseFingerprint.brand_id == case.brand_id,
            same_band,
            Case.id != case.id,
            Case.received_at >= context.now - WINDOW,
        )
        .order_by(Case.id)
        .limit(200)
    )
    return next((other for other, folded in rows if similar(text_words, words(folded))), None)


def _hash(number: int, seed: int) -> int:
    """One of many hash functions of a number: multiply and shift by odd constants that depend on the seed."""
    mixed = (number * (0x9E3779B1 + 2 * seed * 0x85EBCA77) + seed * 0xC2B2AE3D) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 15)) * 0x2C1B3C6D & 0x7FFFFFFF
