import pytest

from analysis.intent_rules import intent


@pytest.mark.parametrize(
    ("text", "sentiment", "expected"),
    [
        ("guadagna da casa, link in bio", "positive", "spam"),
        ("vorrei abbonarmi, come si fa?", "neutral", "lead"),
        ("volevo disdire, siete pessimi", "negative", "complaint"),
        ("a che ora chiudete?", "neutral", "question"),
        ("știe cineva programul", "neutral", "question"),
        ("bravissimi", "positive", "praise"),
        ("oggi piove", "neutral", "chatter"),
    ],
)
def test_intents_follow_the_rules_and_the_sentiment(text: str, sentiment: str, expected: str):
    assert intent(text, sentiment) == expected
