"""A sender that may call this machine, two names for it, and an authority for its certificates."""

from collections.abc import Iterator, Sequence

import pytest

from chalicelib.delivery.webhook import HttpSender
from chalicelib.scheduling.execution import Outcome
from chalicelib.scheduling.secret import Secret
from tests.delivery.authority import Authority
from tests.delivery.builders import LOCAL, MESSAGE_ID, SECRET, SENT_AT, Send, a_webhook
from tests.delivery.receivers import Names


@pytest.fixture
def names() -> Names:
    return Names({host: [["127.0.0.1"]] for host in ("hooks.example", "other.example")})


@pytest.fixture
def sender(names: Names) -> Iterator[HttpSender]:
    made = HttpSender(LOCAL, resolver=names)
    yield made
    made.close()


@pytest.fixture
def send(sender: HttpSender) -> Send:
    """Sends the same firing to a URL, with whatever else the webhook is given."""

    def sending(url: str, *, secrets: Sequence[Secret] = (SECRET,), **given: object) -> Outcome:
        return sender.send(a_webhook(url, **given), message_id=MESSAGE_ID, timestamp=SENT_AT, secrets=secrets)

    return sending


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))
