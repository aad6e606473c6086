"""From a post to the brands it concerns."""

from collections.abc import Callable, Iterable

from models.catalogue import Catalogue
from models.post import Post
from models.query import Matcher, Query, Subject, parse
from store.mentions import Concern, Kept

OWNED = "owned"
"""In place of a query's slug: the post stands in a channel of the brand's own."""
TO_US = "to us"
"""So too: the post speaks to the account that answers for the brand."""


class Matching:
    """All queries of one version of the catalogue, compiled; thrown away as a whole when that changes."""

    def __init__(self, catalogue: Catalogue, detect: Callable[[str], str] | None = None) -> None:
        self.catalogue = catalogue
        self._detect = detect
        self._queries: dict[tuple[int, str], Query] = {
            (number, query.slug): parse(query.text) for number, brand in catalogue.brands for query in brand.queries
        }
        self._matcher = Matcher(self._queries.items())

    def kept(self, posts: Iterable[Post], connection: str, owner: int | None = None) -> list[Kept]:
        """The posts that concern a brand, ours left out. With `owner`, all of them concern that brand."""
        return [k for post in posts if (k := self.one(post, connection, owner)).concerns]

    def outside(self, posts: Iterable[Post], connection: str) -> list[Post]:
        """The posts that do not stand where our own managers sit."""
        return [post for post in posts if not post.place or (connection, post.place) not in self.catalogue.homes]

    def one(self, post: Post, connection: str, owner: int | None = None) -> Kept:
        if self.is_ours(post):
            return Kept(post, ())
        subject = Subject(
            post.text,
            author=post.author.handle,
            sources=(post.platform, connection),
            language=post.language,
            detect=self._detect,
        )
        first: dict[int, tuple[int, str]] = {}
        for brand_id, slug in self._matcher.match(subject):
            first.setdefault(brand_id, (brand_id, slug))
        concerns = [
            Concern(brand_id, key[1], " · ".join(self._queries[key].why(post.text, subject)[:8]))
            for brand_id, key in first.items()
        ]
        if owner is not None and owner not in first:
            concerns.append(Concern(owner, OWNED, connection))
        if post.to_us:
            concerns += [
                Concern(number, TO_US, connection)
                for number, brand in self.catalogue.brands
                if brand.publish.get(post.platform) == connection and number != owner and number not in first
            ]
        return Kept(post, tuple(concerns))

    def is_ours(self, post: Post) -> bool:
        """Whether we said it: the account that heard it, one that a brand calls its own, or a member of ours."""
        if post.ours or self.catalogue.member_at(post.platform, post.author.native_id) is not None:
            return True
        own = self.catalogue.own.get(post.platform)
        if not own:
            return False
        return post.author.handle.lstrip("@").casefold() in own or post.author.native_id.casefold() in own
