"""Storing mentions, and finding them again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import ColumnElement, Select, func, select, text, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.incoming import EARLIEST, IncomingAuthor, IncomingPost, Media
from models.interchange import MAX_AHEAD
from models.tables.case import Case, CaseEvent
from models.tables.mention import Author, EarlierPost, MatchedBy, Mention, MentionBrand, MentionVersion
from models.tables.reply import Reply
from models.text import clean, fold
from store.engine import insert

BATCH: Final = 500
"""Rows per statement."""

MAX_NAME: Final = 200
"""Characters of a handle or a name."""
MAX_EARLIER_POSTS: Final = 10
"""Earlier posts of a thread that are stored with a mention."""
MAX_EARLIER_TEXT: Final = 2_000
"""Characters of each."""
COPIED: Final = tuple(
    field for field in IncomingPost.__struct_fields__ if field in Mention.__table__.columns and field != "earlier_posts"
)
"""Fields that a mention takes over from an incoming post as they are, unless `_row` says otherwise."""
Key = tuple[str, str]
"""Platform and native id."""


class BrandMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A post concerns a brand: why, by which of its queries if any, and the words that matched."""

    brand_id: int
    matched_by: MatchedBy
    query: str
    words: str


class MatchedPost(msgspec.Struct, frozen=True):
    post: IncomingPost
    matches: tuple[BrandMatch, ...]


class WriteResult(msgspec.Struct, kw_only=True):
    """How many mentions a write added, found stored already, changed and erased."""

    new: int = 0
    duplicates: int = 0
    edited: int = 0
    deleted: int = 0


async def write_posts(
    session: AsyncSession, connection: str, matched: Sequence[MatchedPost], now: datetime, *, shares: bool = True
) -> WriteResult:
    """Stores new mentions with their brands; a stored mention only gains brands that it did not concern before.

    Without `shares`, one that another connection brought gains none: who says what its id is may say anything.
    """
    result = WriteResult()
    for start in range(0, len(matched), BATCH):
        batch = _merge_duplicates(matched[start : start + BATCH])
        authors = await _authors(session, [m.post for m in batch.values()])
        threads = await _threads(session, [m.post for m in batch.values()])
        rows = [_row(m.post, authors[_author_key(m.post)], threads, connection, now) for m in batch.values()]
        statement = insert(session, Mention).on_conflict_do_nothing()
        inserted = await session.execute(statement.returning(Mention.id, Mention.platform, Mention.native_id), rows)
        ids = {(row.platform, row.native_id): row.id for row in inserted}
        result.new += len(ids)
        result.duplicates += len(matched[start : start + BATCH]) - len(ids)
        if len(ids) < len(batch):
            known = [key for key in batch if key not in ids]
            if not shares:
                known = list(await stored_keys(session, known) - await stored_keys(session, known, not_from=connection))
            ids |= await _ids(session, known)
        await _write_matches(session, [(ids[key], m) for key, m in batch.items() if key in ids])
    return result


async def write_edit(session: AsyncSession, connection: str, matched: MatchedPost, now: datetime) -> WriteResult:
    """An edited mention keeps its earlier version and is analyzed again."""
    post = matched.post
    mention = await session.scalar(
        select(Mention).where(Mention.platform == post.platform, Mention.native_id == post.native_id)
    )
    if mention is None:
        return await write_posts(session, connection, [matched], now) if matched.matches else WriteResult()
    new_text = clean(post.text)
    if mention.deleted_at is not None or new_text == mention.text:
        return WriteResult(duplicates=1)
    mention.media = post.media or mention.media
    session.add(MentionVersion(mention_id=mention.id, text=mention.text, replaced_at=now))
    mention.text, mention.folded, mention.edited_at = new_text, fold(new_text), now
    await _write_matches(session, [(mention.id, matched)])
    await session.execute(update(MentionBrand).where(MentionBrand.mention_id == mention.id).values(analyzed_at=None))
    await record_on_cases(session, mention.id, "edited", now)
    return WriteResult(edited=1)


async def search(
    session: AsyncSession, words: str, brand_ids: Iterable[int], limit: int = 50
) -> list[tuple[Mention, Author, MentionBrand]]:
    """The newest mentions that contain all the words, the last one perhaps unfinished; folded as queries fold.

    `author:anna` are the mentions by anna; a single word finds those as well.
    """
    terms = fold(clean(words)).replace('"', " ").split()
    authors = [term.removeprefix("author:").lstrip("@") for term in terms if term.startswith("author:")]
    terms = [term for term in terms if any(c.isalnum() for c in term) and not term.startswith("author:")]
    if not terms and not authors:
        return []
    condition: ColumnElement[bool] = true()
    match = ""
    if terms:
        match = " ".join(f'"{term}"' for term in terms[:-1]) + f' "{terms[-1]}"*'
        rowids = select(text("rowid")).select_from(text("mention_search")).where(text("mention_search MATCH :match"))
        condition = Mention.id.in_(rowids.scalar_subquery())
    if authors:
        condition = condition & func.lower(Author.handle).in_(authors)
    elif len(terms) == 1:
        condition = condition | (func.lower(Author.handle) == terms[0].lstrip("@"))
    statement = _of_brands(brand_ids).where(condition).order_by(Mention.created_at.desc()).limit(limit)
    rows = await session.execute(statement, {"match": match} if match else {})
    return [(row[0], row[1], row[2]) for row in rows]


async def newest(
    session: AsyncSession, brand_ids: Iterable[int], limit: int = 50
) -> list[tuple[Mention, Author, MentionBrand]]:
    statement = _of_brands(brand_ids).order_by(Mention.received_at.desc(), Mention.id.desc()).limit(limit)
    return [(row[0], row[1], row[2]) for row in await session.execute(statement)]


def _of_brands(brand_ids: Iterable[int]) -> Select[Mention, Author, MentionBrand]:
    return (
        select(Mention, Author, MentionBrand)
        .join(Author, Author.id == Mention.author_id)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.brand_id.in_(list(brand_ids)))
    )


async def find_by_url(session: AsyncSession, url: str, brand_ids: Iterable[int]) -> int | None:
    """The id of the mention at a permalink, if it concerns one of the brands: others may have it from a closed group."""
    return await session.scalar(
        select(Mention.id)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where((Mention.url == url) | (Mention.native_id == url), MentionBrand.brand_id.in_(list(brand_ids)))
        .limit(1)
    )


async def id_of(session: AsyncSession, key: Key) -> int | None:
    return (await _ids(session, [key])).get(key)


async def media_of(session: AsyncSession, case_id: int, mention_id: int, brand_ids: Iterable[int]) -> tuple[Media, ...]:
    """The media of a mention in a case of one of the brands."""
    media = await session.scalar(
        select(Mention.media)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(Mention.id == mention_id, MentionBrand.case_id == case_id, MentionBrand.brand_id.in_(list(brand_ids)))
        .limit(1)
    )
    return media or ()


async def stored_keys(session: AsyncSession, keys: Iterable[Key], *, not_from: str = "") -> set[Key]:
    """Which of these are stored; with `not_from`, which of them another connection brought."""
    all_keys = list(keys)
    stored: set[Key] = set()
    for start in range(0, len(all_keys), BATCH):
        statement = select(Mention.platform, Mention.native_id).where(
            tuple_(Mention.platform, Mention.native_id).in_(all_keys[start : start + BATCH]),
            Mention.connection != not_from,
        )
        stored |= {(row.platform, row.native_id) for row in await session.execute(statement)}
    return stored


def _author_key(post: IncomingPost) -> Key:
    return post.platform, post.author.native_id or post.author.handle.casefold()


async def _threads(session: AsyncSession, posts: Sequence[IncomingPost]) -> dict[str, str]:
    """Parent → thread, for platforms that say what a post answers but not where that began: stored mentions, our replies."""
    parents = {(post.platform, post.parent) for post in posts if post.parent and not post.thread}
    if not parents:
        return {}
    stored = await session.execute(
        select(Mention.native_id, Mention.thread).where(tuple_(Mention.platform, Mention.native_id).in_(list(parents)))
    )
    ours = await session.execute(
        select(Reply.native_id, Mention.thread)
        .join(Mention, Mention.id == Reply.mention_id)
        .where(tuple_(Reply.platform, Reply.native_id).in_(list(parents)))
    )
    return {row.native_id: row.thread for rows in (stored, ours) for row in rows}


def _merge_duplicates(matched: Sequence[MatchedPost]) -> dict[Key, MatchedPost]:
    """A post that came twice counts once, as it came first, with the brands of both."""
    batch: dict[Key, MatchedPost] = {}
    for one in matched:
        first = batch.setdefault(one.post.key, one)
        if first is not one:
            brands = {match.brand_id for match in first.matches}
            more = tuple(match for match in one.matches if match.brand_id not in brands)
            batch[one.post.key] = MatchedPost(first.post, (*first.matches, *more))
    return batch


def to_earlier_posts(posts: Sequence[IncomingPost]) -> tuple[EarlierPost, ...]:
    """The nearest of the posts above one, as they are stored."""
    return tuple(
        EarlierPost(
            clean(post.author.name or post.author.handle, MAX_NAME),
            clean(post.text, MAX_EARLIER_TEXT),
            post.created_at,
            post.url,
        )
        for post in posts[-MAX_EARLIER_POSTS:]
    )


def _row(post: IncomingPost, author_id: int, threads: dict[str, str], connection: str, now: datetime) -> dict[str, Any]:
    stored_text = clean(post.text)
    return {
        **{field: getattr(post, field) for field in COPIED},
        "author_id": author_id,
        "text": stored_text,
        "folded": fold(stored_text),
        "thread": post.thread or threads.get(post.parent or "") or post.parent or post.native_id,
        "connection": connection,
        "earlier_posts": to_earlier_posts(post.earlier_posts) or None,
        # Clocks are wrong, and authors date posts as they like; no page can show the year 1 or 9999.
        "created_at": min(max(post.created_at, EARLIEST), now + MAX_AHEAD),
        "received_at": now,
    }


async def _authors(session: AsyncSession, posts: Sequence[IncomingPost]) -> dict[Key, int]:
    """The ids of the posts' authors; what changed about them is stored."""
    authors = {_author_key(post): post.author for post in posts}
    columns = (Author.id, Author.platform, Author.native_id, Author.handle, Author.name, Author.followers, Author.url)
    stored = await session.execute(select(*columns).where(tuple_(Author.platform, Author.native_id).in_(list(authors))))
    ids: dict[Key, int] = {}
    changed = []
    for number, platform, native_id, *before in stored:
        author = authors[platform, native_id]
        ids[platform, native_id] = number
        after = [
            clean(author.handle, MAX_NAME) or before[0],
            clean(author.name, MAX_NAME) or before[1],
            before[2] if author.followers is None else author.followers,
            author.url or before[3],
        ]
        if after != before:
            changed.append(dict(zip(("id", "handle", "name", "followers", "url"), (number, *after), strict=True)))
    if changed:
        await session.execute(update(Author), changed)
    missing = [_author_row(key, author) for key, author in authors.items() if key not in ids]
    if missing:
        statement = insert(session, Author).returning(Author.id, Author.platform, Author.native_id)
        ids |= {(row.platform, row.native_id): row.id for row in await session.execute(statement, missing)}
    return ids


def _author_row(key: Key, author: IncomingAuthor) -> dict[str, Any]:
    return {
        "platform": key[0],
        "native_id": key[1],
        "handle": clean(author.handle, MAX_NAME),
        "name": clean(author.name, MAX_NAME),
        "followers": author.followers,
        "url": author.url,
    }


async def _ids(session: AsyncSession, keys: Sequence[Key]) -> dict[Key, int]:
    rows = await session.execute(
        select(Mention.id, Mention.platform, Mention.native_id).where(
            tuple_(Mention.platform, Mention.native_id).in_(list(keys))
        )
    )
    return {(row.platform, row.native_id): row.id for row in rows}


async def _write_matches(session: AsyncSession, matched: Sequence[tuple[int, MatchedPost]]) -> None:
    rows = [
        {
            "mention_id": mention_id,
            "brand_id": match.brand_id,
            "matched_by": match.matched_by,
            "query": match.query,
            "matched_words": match.words,
            "live": one.post.origin == "live",
            "topics": (),
        }
        for mention_id, one in matched
        for match in one.matches
    ]
    if rows:
        await session.execute(insert(session, MentionBrand).on_conflict_do_nothing(), rows)


async def record_on_cases(
    session: AsyncSession, mention_id: int, kind: Literal["edited", "deleted"], now: datetime
) -> None:
    """The cases of a changed mention get an event and a new revision."""
    case_ids = (
        await session.scalars(select(MentionBrand.case_id).where(MentionBrand.mention_id == mention_id).distinct())
    ).all()
    for case_id in filter(None, case_ids):
        await session.execute(update(Case).where(Case.id == case_id).values(revision=Case.revision + 1))
        session.add(CaseEvent(case_id=case_id, at=now, kind=kind))
