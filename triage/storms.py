"""Cases that say nearly the same: found by fingerprint, sure by comparison, shown as one storm.

MinHash with banding (Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3).
"""

import re
import zlib
from collections.abc import Set
from datetime import timedelta
from typing import Final

from sqlalchemy import and_, func, or_, select, update

from models.case import OPEN, Case, CaseBand
from models.mention import Mention, MentionBrand
from triage.turn import Turn

BANDS: Final = 10
ROWS: Final = 2
ALIKE: Final = 0.55
"""Jaccard similarity of the sets of words."""
MIN_WORDS: Final = 5
WINDOW: Final = timedelta(hours=24)

_WORD = re.compile(r"\w{2,}")
_NOT_SAID = re.compile(r"https?://\S+|@\w+")


def words(folded: str) -> frozenset[str]:
    """What is compared: the words of a folded text, without links and handles."""
    return frozenset(_WORD.findall(_NOT_SAID.sub(" ", folded[:2_000])))


def bands(said: Set[str]) -> list[int]:
    """The fingerprint: texts with most words in common share at least one of these numbers almost surely."""
    if len(said) < MIN_WORDS:
        return []
    hashes = [zlib.crc32(word.encode()) for word in said]
    least = [min(_mix(h, seed) for h in hashes) for seed in range(BANDS * ROWS)]
    return [_mix(least[n * ROWS] ^ (least[n * ROWS + 1] << 1), n) for n in range(BANDS)]


def alike(one: Set[str], other: Set[str]) -> bool:
    return len(one & other) >= ALIKE * len(one | other)


async def join(turn: Turn, case: Case, folded: str) -> int:
    """Puts a new case into the storm that it belongs to, if any; returns how many cases say the same, itself included."""
    said = words(folded)
    found = bands(said)
    for band, value in enumerate(found):
        turn.session.add(CaseBand(case_id=case.id, band=band, value=value, brand_id=case.brand_id))
    other = await _nearest(turn, case, said, found) if found else None
    if other is None:
        return 1
    first = other.storm_id or other.id
    if other.storm_id is None:
        other.storm_id = other.id
    case.storm_id = first
    await turn.session.flush()
    # Only the first open one stands on the desks: counting all of them up would cost more the greater the storm.
    shown = select(func.min(Case.id)).where(Case.storm_id == first, Case.state.in_(OPEN)).scalar_subquery()
    await turn.session.execute(
        update(Case)
        .where(Case.id == shown, Case.id != case.id)
        .values(revision=Case.revision + 1)
        .execution_options(synchronize_session="fetch")
    )
    return await size(turn, first)


async def size(turn: Turn, storm_id: int) -> int:
    """How many cases a storm has, answered ones too."""
    return await turn.session.scalar(select(func.count()).where(Case.storm_id == storm_id)) or 0


async def _nearest(turn: Turn, case: Case, said: Set[str], found: list[int]) -> Case | None:
    same_band = or_(*(and_(CaseBand.band == band, CaseBand.value == value) for band, value in enumerate(found)))
    rows = await turn.session.execute(
        select(Case, Mention.folded)
        .join(CaseBand, CaseBand.case_id == Case.id)
        .join(MentionBrand, MentionBrand.case_id == Case.id)
        .join(Mention, Mention.id == MentionBrand.mention_id)
        .where(
            CaseBand.brand_id == case.brand_id,
            same_band,
            Case.id != case.id,
            Case.heard_at >= turn.now - WINDOW,
        )
        .order_by(Case.id)
        .limit(200)
    )
    return next((other for other, folded in rows if alike(said, words(folded))), None)


def _mix(number: int, seed: int) -> int:
    """One of many hash functions of a number: multiply and shift by odd constants that depend on the seed."""
    mixed = (number * (0x9E3779B1 + 2 * seed * 0x85EBCA77) + seed * 0xC2B2AE3D) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 15)) * 0x2C1B3C6D & 0x7FFFFFFF
