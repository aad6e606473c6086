from datetime import UTC, datetime, timedelta

from triage.priority import parts, rank, total, waiting

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def weigh(**fields) -> int:
    known = {
        "negative": 0.9,
        "intent": "complaint",
        "grave": None,
        "followers": None,
        "mentions": 1,
        "earlier": 0,
        "storm": 1,
    }
    return total(parts(**{**known, **fields}))


def test_each_reason_adds_and_none_takes_away():
    base = weigh()
    for more in ({"grave": "safety"}, {"followers": 10_000}, {"mentions": 3}, {"earlier": 2}, {"storm": 8}):
        assert weigh(**more) > base, more
    assert weigh(negative=0.2) < base


def test_reach_and_repetition_have_a_limit():
    assert weigh(followers=10**12) == weigh(followers=10**9)
    assert weigh(mentions=100) == weigh(mentions=5)


def test_the_order_of_two_cases_never_changes_by_itself():
    old, new = rank(50, NOW), rank(60, NOW + timedelta(minutes=49))
    assert new > old
    assert rank(60, NOW + timedelta(minutes=51)) < old
    for later in (NOW, NOW + timedelta(hours=9)):
        points_old = 50 + waiting(NOW, later).points
        points_new = 60 + waiting(NOW + timedelta(minutes=20), later).points
        if later > NOW:
            assert points_new > points_old
