"""Webhooks: how requests are signed, held against the examples of Standard Webhooks."""

import base64

from rooms import webhooks

KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_a_request_is_signed_as_standard_webhooks_says() -> None:
    """Id, time and body are signed; the signature is the one of the specification's own libraries."""
    headers = webhooks.signed(KEY, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
