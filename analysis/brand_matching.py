"""Which brands an incoming post concerns."""

from collections.abc import Callable, Iterable

from models.configuration import Configuration
from models.incoming import IncomingPost
from models.query import Matcher, Query, Subject, parse
from models.tables.mention import MatchedBy
from store.mentions import BrandMatch, MatchedPost

MAX_WORDS = 8


class BrandMatcher:
    """All queries of one version of the configuration, compiled; replaced as a whole when that changes."""

    def __init__(self, configuration: Configuration, identify: Callable[[str, str | None], str] | None = None) -> None:
        """`identify` names the language of a text, for queries with `lang:`."""
        self.configuration = configuration
        self._identify = identify
        self._queries: dict[tuple[int, str], Query] = {
            (number, query.slug): parse(query.text) for number, brand in configuration.brands for query in brand.queries
        }
        self._matcher = Matcher(self._queries.items())

    def matching(self, posts: Iterable[IncomingPost], connection: str, owner: int | None = None) -> list[MatchedPost]:
        """The posts that concern a brand, our own left out. With an `owner`, all posts concern that brand."""
        return [matched for post in posts if (matched := self.match(post, connection, owner)).matches]

    def outside_desks(self, posts: Iterable[IncomingPost], connection: str) -> list[IncomingPost]:
        """The posts that are not in a chat where members work."""
        desk_chats = self.configuration.desk_chats
        return [post for post in posts if not post.channel or (connection, post.channel) not in desk_chats]

    def match(self, post: IncomingPost, connection: str, owner: int | None = None) -> MatchedPost:
        if self.is_ours(post):
            return MatchedPost(post, ())
        subject = Subject(
            post.text,
            author=post.author.handle,
            sources=(post.platform, connection),
            language=post.language,
            detect=self._identify,
        )
        queries: dict[int, str] = {}
        for brand_id, slug in self._matcher.match(subject):
            queries.setdefault(brand_id, slug)
        addressed = self._addressed_brands(post, connection, owner)
        matches = [
            BrandMatch(
                brand_id=brand_id,
                matched_by=addressed.get(brand_id, "query"),
                query=slug,
                words=" · ".join(self._queries[brand_id, slug].matched_words(post.text, subject, MAX_WORDS)),
            )
            for brand_id, slug in queries.items()
        ]
        matches += [
            BrandMatch(brand_id=brand_id, matched_by=matched_by, query="", words=connection)
            for brand_id, matched_by in addressed.items()
            if brand_id not in queries
        ]
        return MatchedPost(post, tuple(matches))

    def _addressed_brands(self, post: IncomingPost, connection: str, owner: int | None) -> dict[int, MatchedBy]:
        """The brands a post concerns by the channel it is in or the account it addresses."""
        brands: dict[int, MatchedBy] = {}
        if owner is not None:
            brands[owner] = "member" if post.case_requested else "own channel"
        if post.addresses_us or post.case_requested:
            for number, brand in self.configuration.brands:
                if brand.publish.get(post.platform) == connection and number != owner:
                    brands[number] = "member" if post.case_requested else "addressed"
        return brands

    def is_ours(self, post: IncomingPost) -> bool:
        """Whether it is from the account that received it, a brand's own account, or a member."""
        if post.ours or self.configuration.member_by_identity(post.platform, post.author.native_id) is not None:
            return True
        own = self.configuration.own_accounts.get(post.platform)
        if not own:
            return False
        return post.author.handle.lstrip("@").casefold() in own or post.author.native_id.casefold() in own
