"""What the tests of the sender share: a firing, a secret, and a way to read a request."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from chalicelib.scheduling.address import AddressPolicy, Reach
from chalicelib.scheduling.execution import Outcome
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import Webhook

SECRET = Secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT_AT = datetime.fromtimestamp(1614265330, UTC)
LOCAL = AddressPolicy(reach=Reach.LOCAL)

Send = Callable[..., Outcome]


def a_webhook(url: str, **given: object) -> Webhook:
    return Webhook(url=url, **{"timeout": timedelta(seconds=2)} | given)  # type: ignore[arg-type]


def head_of(request: bytes) -> dict[str, str]:
    """The headers by name as sent, and the request line under no name."""
    lines = request.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
    return {"": lines[0]} | dict(line.split(": ", 1) for line in lines[1:])
