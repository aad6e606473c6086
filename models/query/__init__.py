"""The query language: which posts are about a brand.

    ferroviola OR "ferro viola"             words and phrases; a space is AND, which binds tighter than OR
    "ritardo treno"~5                       these words with at most five others between them, in any order
    ferrov*                                 words that start with these letters (three at least)
    #ferroviola @ferroviola                 the hashtag, the handle (a bare word matches them too)
    ferroviola -concorso NOT (moto OR bici) exclusions
    author:anna lang:it source:bluesky      the author, the language, the platform or connection

Case, diacritics and ș/ş are ignored. Operators are written in capitals.
"""

from models.query.matcher import Matcher
from models.query.nodes import Subject
from models.query.parser import Query, QueryError, parse

__all__ = ["Matcher", "Query", "QueryError", "Subject", "parse"]
