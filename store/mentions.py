"""Writing down what was heard, and finding it again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, delete, func, select, text, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.case import Case, CaseEvent, Reply, ReplyVersion
from models.exported import AHEAD, FIRST
from models.mention import Author, Bookmark, Earlier, Mention, MentionBrand, MentionVersion
from models.post import Deletion, Post, PostAuthor
from models.text import clean, fold
from store.sql import insert

BATCH: Final = 500
"""Rows a statement."""

MAX_NAME: Final = 200
"""Characters of a handle or a name."""
MOST_BEFORE: Final = 10
"""Earlier posts of a thread that are kept beside a mention."""
MAX_BEFORE: Final = 2_000
"""Characters of each."""
Key = tuple[str, str]
"""Platform and native id."""


class Concern(msgspec.Struct, frozen=True):
    """That a post concerns a brand, by which of its queries, and in which words."""

    brand_id: int
    query: str
    why: str


class Kept(msgspec.Struct, frozen=True):
    """A post worth writing down."""

    post: Post
    concerns: tuple[Concern, ...]


class Written(msgspec.Struct, kw_only=True):
    """How many mentions a write added, found to be there already, changed and emptied."""

    new: int = 0
    duplicates: int = 0
    edited: int = 0
    deleted: int = 0


async def bookmark_of(session: AsyncSession, connection: str) -> str | None:
    return await session.scalar(select(Bookmark.value).where(Bookmark.connection == connection))


async def save_bookmark(session: AsyncSession, connection: str, value: str, now: datetime) -> None:
    statement = insert(session, Bookmark).values(connection=connection, value=value, saved_at=now)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["connection"], set_={"value": value, "saved_at": now})
    )


async def write_posts(session: AsyncSession, connection: str, kept: Sequence[Kept], now: datetime) -> Written:
    """New mentions with the brands they concern; one known already only gains the brands it did not concern before."""
    written = Written()
    for start in range(0, len(kept), BATCH):
        batch = _once_each(kept[start : start + BATCH])
        authors = await _authors(session, [k.post for k in batch.values()])
        threads = await _threads(session, [k.post for k in batch.values()])
        rows = [_row(k.post, authors[_author_key(k.post)], threads, connection, now) for k in batch.values()]
        statement = insert(session, Mention).on_conflict_do_nothing()
        found = await session.execute(statement.returning(Mention.id, Mention.platform, Mention.native_id), rows)
        ids = {(row.platform, row.native_id): row.id for row in found}
        written.new += len(ids)
        written.duplicates += len(kept[start : start + BATCH]) - len(ids)
        if len(ids) < len(batch):
            ids |= await _ids(session, [key for key in batch if key not in ids])
        await _concern(session, [(ids[key], k) for key, k in batch.items()])
    return written


async def write_edit(session: AsyncSession, connection: str, kept: Kept, now: datetime) -> Written:
    """A mention that now says something else keeps what it said before and is read again."""
    post = kept.post
    known = await session.scalar(
        select(Mention).where(Mention.platform == post.platform, Mention.native_id == post.native_id)
    )
    if known is None:
        return await write_posts(session, connection, [kept], now) if kept.concerns else Written()
    words = clean(post.text)
    if known.deleted_at is not None or words == known.text:
        return Written(duplicates=1)
    known.media = post.media or known.media
    session.add(MentionVersion(mention_id=known.id, text=known.text, replaced_at=now))
    known.text, known.folded, known.edited_at = words, fold(words), now
    await _concern(session, [(known.id, kept)])
    await session.execute(update(MentionBrand).where(MentionBrand.mention_id == known.id).values(read_at=None))
    await _tell_cases(session, known.id, "edited", now)
    return Written(edited=1)


async def empty(session: AsyncSession, deletion: Deletion, now: datetime) -> Written:
    """What was deleted on its platform is emptied here: text, search, versions, reasons, and drafts that answer it."""
    known = await session.scalar(
        select(Mention).where(
            Mention.platform == deletion.platform, Mention.native_id == deletion.native_id, Mention.deleted_at.is_(None)
        )
    )
    if known is None:
        return Written()
    known.text, known.folded, known.deleted_at = "", "", now
    known.media, known.before = (), ()
    await session.execute(delete(MentionVersion).where(MentionVersion.mention_id == known.id))
    await session.execute(
        update(MentionBrand)
        .where(MentionBrand.mention_id == known.id)
        .values(why="", moved=(), read_at=func.coalesce(MentionBrand.read_at, now))
    )
    drafts = select(Reply.id).where(Reply.mention_id == known.id, Reply.state.in_(("draft", "proposed")))
    await session.execute(delete(ReplyVersion).where(ReplyVersion.reply_id.in_(drafts)))
    await session.execute(
        update(Reply).where(Reply.id.in_(drafts)).values(state="draft", text="", revision=Reply.revision + 1)
    )
    await _tell_cases(session, known.id, "deleted", now)
    return Written(deleted=1)


async def search(
    session: AsyncSession, words: str, brand_ids: Iterable[int], limit: int = 50
) -> list[tuple[Mention, Author, MentionBrand]]:
    """The newest mentions that hold all the words, the last one perhaps unfinished; folded as the matcher folds. `author:anna`
    are those of anna alone, and one word finds hers, too."""
    terms = fold(clean(words)).replace('"', " ").split()
    by = [term.removeprefix("author:").lstrip("@") for term in terms if term.startswith("author:")]
    terms = [term for term in terms if any(c.isalnum() for c in term) and not term.startswith("author:")]
    if not terms and not by:
        return []
    wanted: ColumnElement[bool] = true()
    match = ""
    if terms:
        match = " ".join(f'"{term}"' for term in terms[:-1]) + f' "{terms[-1]}"*'
        found = select(text("rowid")).select_from(text("mention_search")).where(text("mention_search MATCH :match"))
        wanted = Mention.id.in_(found.scalar_subquery())
    if by:
        wanted = wanted & func.lower(Author.handle).in_(by)
    elif len(terms) == 1:
        wanted = wanted | (func.lower(Author.handle) == terms[0].lstrip("@"))
    rows = await session.execute(
        select(Mention, Author, MentionBrand)
        .join(Author, Author.id == Mention.author_id)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(wanted, MentionBrand.brand_id.in_(list(brand_ids)))
        .order_by(Mention.created_at.desc())
        .limit(limit),
        {"match": match} if match else {},
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def newest(
    session: AsyncSession, brand_ids: Iterable[int], limit: int = 50
) -> list[tuple[Mention, Author, MentionBrand]]:
    rows = await session.execute(
        select(Mention, Author, MentionBrand)
        .join(Author, Author.id == Mention.author_id)
        .join(MentionBrand, MentionBrand.mention_id == Mention.id)
        .where(MentionBrand.brand_id.in_(list(brand_ids)))
        .order_by(Mention.heard_at.desc(), Mention.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def known(session: AsyncSession, keys: Iterable[Key], *, but: str = "") -> set[Key]:
    """Which of these are mentions already: edits and deletions of the rest are nobody's business. With `but`, which of them
    another connection than that one brought."""
    asked = list(keys)
    found: set[Key] = set()
    for start in range(0, len(asked), BATCH):
        some = asked[start : start + BATCH]
        wanted = select(Mention.platform, Mention.native_id).where(
            tuple_(Mention.platform, Mention.native_id).in_(some), Mention.connection != but
        )
        found |= {(row.platform, row.native_id) for row in await session.execute(wanted)}
    return found


def _author_key(post: Post) -> Key:
    return post.platform, post.author.native_id or post.author.handle.casefold()


async def _threads(session: AsyncSession, posts: Sequence[Post]) -> dict[str, str]:
    """Parent → thread, for platforms that name what a post answers but not where that began: known mentions, our replies."""
    parents = {(post.platform, post.parent) for post in posts if post.parent and not post.thread}
    if not parents:
        return {}
    known = await session.execute(
        select(Mention.native_id, Mention.thread).where(tuple_(Mention.platform, Mention.native_id).in_(list(parents)))
    )
    ours = await session.execute(
        select(Reply.native_id, Mention.thread)
        .join(Mention, Mention.id == Reply.mention_id)
        .where(tuple_(Reply.platform, Reply.native_id).in_(list(parents)))
    )
    return {row.native_id: row.thread for rows in (known, ours) for row in rows}


def _once_each(kept: Sequence[Kept]) -> dict[Key, Kept]:
    """A post that was heard twice is one, as it was heard first, and concerns all that it concerned."""
    batch: dict[Key, Kept] = {}
    for k in kept:
        first = batch.setdefault(k.post.key, k)
        if first is not k:
            known = {concern.brand_id for concern in first.concerns}
            more = tuple(concern for concern in k.concerns if concern.brand_id not in known)
            batch[k.post.key] = Kept(first.post, (*first.concerns, *more))
    return batch


def earlier(before: Sequence[Post]) -> tuple[Earlier, ...]:
    """The nearest of the posts that stand above one, as they are kept."""
    return tuple(
        Earlier(
            clean(post.author.name or post.author.handle, MAX_NAME),
            clean(post.text, MAX_BEFORE),
            post.created_at,
            post.url,
        )
        for post in before[-MOST_BEFORE:]
    )


def _row(post: Post, author_id: int, threads: dict[str, str], connection: str, now: datetime) -> dict[str, Any]:
    words = clean(post.text)
    return {
        "platform": post.platform,
        "native_id": post.native_id,
        "url": post.url,
        "author_id": author_id,
        "text": words,
        "folded": fold(words),
        "language": post.language,
        "thread": post.thread or threads.get(post.parent or "") or post.parent or post.native_id,
        "parent": post.parent,
        "origin": post.origin,
        "connection": connection,
        "metrics": post.metrics,
        "media": post.media,
        "before": earlier(post.before) or None,
        # Clocks go wrong, and strangers date posts as they like; no page shows the year 1 or 9999.
        "created_at": min(max(post.created_at, FIRST), now + AHEAD),
        "heard_at": now,
    }


async def _authors(session: AsyncSession, posts: Sequence[Post]) -> dict[Key, int]:
    """The numbers of the authors of these posts; what changed about them since is written down."""
    wanted = {_author_key(post): post.author for post in posts}
    columns = (Author.id, Author.platform, Author.native_id, Author.handle, Author.name, Author.followers, Author.url)
    known = await session.execute(select(*columns).where(tuple_(Author.platform, Author.native_id).in_(list(wanted))))
    ids: dict[Key, int] = {}
    changed = []
    for number, platform, native_id, *before in known:
        author = wanted[platform, native_id]
        ids[platform, native_id] = number
        now = [
            clean(author.handle, MAX_NAME) or before[0],
            clean(author.name, MAX_NAME) or before[1],
            before[2] if author.followers is None else author.followers,
            author.url or before[3],
        ]
        if now != before:
            changed.append(dict(zip(("id", "handle", "name", "followers", "url"), (number, *now), strict=True)))
    if changed:
        await session.execute(update(Author), changed)
    missing = [_author_row(key, author) for key, author in wanted.items() if key not in ids]
    if missing:
        statement = insert(session, Author).returning(Author.id, Author.platform, Author.native_id)
        ids |= {(row.platform, row.native_id): row.id for row in await session.execute(statement, missing)}
    return ids


def _author_row(key: Key, author: PostAuthor) -> dict[str, Any]:
    return {
        "platform": key[0],
        "native_id": key[1],
        "handle": clean(author.handle, MAX_NAME),
        "name": clean(author.name, MAX_NAME),
        "followers": author.followers,
        "url": author.url,
    }


async def _ids(session: AsyncSession, keys: Sequence[Key]) -> dict[Key, int]:
    found = await session.execute(
        select(Mention.id, Mention.platform, Mention.native_id).where(
            tuple_(Mention.platform, Mention.native_id).in_(list(keys))
        )
    )
    return {(row.platform, row.native_id): row.id for row in found}


async def _concern(session: AsyncSession, kept: Sequence[tuple[int, Kept]]) -> None:
    rows = [
        {
            "mention_id": mention_id,
            "brand_id": concern.brand_id,
            "query": concern.query,
            "why": concern.why,
            "live": k.post.origin == "live",
            "topics": (),
        }
        for mention_id, k in kept
        for concern in k.concerns
    ]
    if rows:
        await session.execute(insert(session, MentionBrand).on_conflict_do_nothing(), rows)


async def _tell_cases(session: AsyncSession, mention_id: int, kind: Any, now: datetime) -> None:
    """Cases that show a mention are drawn again when it changes."""
    cases = (
        await session.scalars(select(MentionBrand.case_id).where(MentionBrand.mention_id == mention_id).distinct())
    ).all()
    for case_id in filter(None, cases):
        await session.execute(update(Case).where(Case.id == case_id).values(revision=Case.revision + 1))
        session.add(CaseEvent(case_id=case_id, at=now, kind=kind))
