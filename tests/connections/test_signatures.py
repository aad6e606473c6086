import pytest

from connections.signatures import genuine, sign

NOW = 1_763_719_200
BODY = '{"text": "è"}'.encode()


def test_what_was_signed_now_is_genuine():
    assert genuine("secret", str(NOW), sign("secret", NOW, BODY), BODY, NOW) is None


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
def test_anything_else_is_not(secret, timestamp, signature, body, now):
    said = sign("secret", NOW, BODY) if signature is None else signature
    assert genuine(secret, timestamp, said, body, now) is not None
