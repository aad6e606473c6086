from datetime import UTC, datetime, timedelta

from triage.priority import rank, score_parts, total, waiting

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def score(**fields) -> int:
    defaults = {
        "negative": 0.9,
        "intent": "complaint",
        "severity": None,
        "followers": None,
        "mentions": 1,
        "earlier_cases": 0,
        "duplicates": 1,
    }
    return total(score_parts(**{**defaults, **fields}))


def test_each_reason_adds_points_and_none_subtracts():
    base = score()
    for more in (
        {"severity": "safety"},
        {"followers": 10_000},
        {"mentions": 3},
        {"earlier_cases": 2},
        {"duplicates": 8},
    ):
        assert score(**more) > base, more
    assert score(negative=0.2) < base


def test_reach_and_repetition_are_capped():
    assert score(followers=10**12) == score(followers=10**9)
    assert score(mentions=100) == score(mentions=5)


def test_the_order_of_two_cases_does_not_change_with_time():
    old, new = rank(50, NOW), rank(60, NOW + timedelta(minutes=49))
    assert new > old
    assert rank(60, NOW + timedelta(minutes=51)) < old
    for later in (NOW, NOW + timedelta(hours=9)):
        points_old = 50 + waiting(NOW, later).points
        points_new = 60 + waiting(NOW + timedelta(minutes=20), later).points
        if later > NOW:
            assert points_new > points_old
