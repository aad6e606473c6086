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
BY_HAND = "by hand"
"""So too: a person wants a case of it."""


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
        spoken_to = self._spoken_to(post, connection, owner)
        concerns = [
            Concern(
                brand_id,
                spoken_to.get(brand_id, key[1]),
                " · ".join(self._queries[key].why(post.text, subject)[:8]),
            )
            for brand_id, key in first.items()
        ]
        concerns += [Concern(number, slug, connection) for number, slug in spoken_to.items() if number not in first]
        return Kept(post, tuple(concerns))

    def _spoken_to(self, post: Post, connection: str, owner: int | None) -> dict[int, str]:
        """The brands that a post concerns by where it stands or whom it speaks to, and which of the two it is."""
        slug = BY_HAND if post.wanted else TO_US
        found = {owner: BY_HAND if post.wanted else OWNED} if owner is not None else {}
        if post.to_us or post.wanted:
            names = (n for n, brand in self.catalogue.brands if brand.publish.get(post.platform) == connection)
            found |= {number: slug for number in names if number != owner}
        return found

    def is_ours(self, post: Post) -> bool:
        """Whether we said it: the account that heard it, one that a brand calls its own, or a member of ours."""
        if post.ours or self.catalogue.member_at(post.platform, post.author.native_id) is not None:
            return True
        own = self.catalogue.own.get(post.platform)
        if not own:
            return False
        return post.author.handle.lstrip("@").casefold() in own or post.author.native_id.casefold() in own
