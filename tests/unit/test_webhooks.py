"""Webhooks: how requests are signed, held against the examples of Standard Webhooks."""

import base64

import pytest

from rooms import webhooks
from rooms.run_tables import Webhook
from rooms.sealing import Sealer, Unreadable

SEALER = Sealer("an operator's secret of some length")
KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
WEBHOOK = Webhook(agent_id="bot", url="https://agents.example/", secret=SEALER.seal(KEY, "bot"))


def test_a_request_is_signed_as_standard_webhooks_says() -> None:
    """Id, time and body are signed; the signature is the one of the specification's own libraries."""
    headers = webhooks.signed(
        SEALER, WEBHOOK, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("sealer", [None, Sealer("another secret, set after the first one")])
def test_nothing_is_signed_without_the_secret(sealer: Sealer | None) -> None:
    """An operator who has taken PARLEY_SECRET away, or changed it, makes the secret unreadable."""
    with pytest.raises(Unreadable):
        webhooks.signed(sealer, WEBHOOK, "id", 1, b"")
