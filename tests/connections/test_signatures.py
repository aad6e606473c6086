import pytest

from connections.signatures import sign, signature_error

NOW = 1_763_719_200
BODY = '{"text": "è"}'.encode()


def test_a_recent_signature_is_valid():
    assert signature_error("secret", str(NOW), sign("secret", NOW, BODY), BODY, NOW) is None


@pytest.mark.parametrize(
    ("secret", "timestamp", "signature", "body", "now"),
    [
        ("other", str(NOW), None, BODY, NOW),
        ("secret", str(NOW), None, BODY + b" ", NOW),
        ("secret", str(NOW + 1), sign("secret", NOW, BODY), BODY, NOW),
        ("secret", str(NOW), None, BODY, NOW + 301),
        ("secret", str(NOW), None, BODY, NOW - 301),
        ("secret", "", None, BODY, NOW),
        ("secret", "١٢٣", None, BODY, NOW),
        ("secret", "9" * 400, None, BODY, NOW),
        ("secret", str(NOW), "", BODY, NOW),
        ("secret", str(NOW), "v1=é", BODY, NOW),
    ],
)
def test_a_wrong_or_old_signature_is_an_error(secret, timestamp, signature, body, now):
    signature = sign("secret", NOW, BODY) if signature is None else signature
    assert signature_error(secret, timestamp, signature, body, now) is not None
