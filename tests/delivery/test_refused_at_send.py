"""T18, T19 and T20 through the whole sender: what may not be called is not, whoever let it into the database."""

import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from chalicelib.delivery.deadline import Deadline
from chalicelib.delivery.guard import Blocked, Guard
from chalicelib.delivery.webhook import HttpSender
from chalicelib.scheduling.address import PUBLIC_ONLY, Place
from chalicelib.scheduling.execution import ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.retry import RetryPolicy
from chalicelib.scheduling.target import Webhook
from tests.delivery.builders import LOCAL, SENT_AT
from tests.delivery.receivers import OK, Names, answering, receiver
from tests.scheduling.test_address import HIDDEN, REFUSED, in_url
from tests.world import a_world

SECOND = timedelta(seconds=1)
PUBLIC, METADATA = ["93.184.216.34"], ["169.254.169.254"]


def called(url: str, resolver: Names) -> Outcome:
    sender = HttpSender(PUBLIC_ONLY, resolver=resolver)
    try:
        return sender.send(Webhook(url=url, timeout=SECOND), message_id="m", timestamp=SENT_AT, secrets=())
    finally:
        sender.close()


@pytest.mark.parametrize("text", REFUSED)
def test_t18_a_special_address_is_refused_at_send_spelt_out_and_as_an_answer(text: str) -> None:
    names = Names({"hooks.example": [[text]], "half.example": [["93.184.216.34", text]]})
    assert called(in_url(text), names).kind is OutcomeKind.BLOCKED_ADDRESS
    assert names.asked == [], "an address is not looked up"
    for host in ("hooks.example", "half.example"):
        assert called(f"https://{host}/", names).kind is OutcomeKind.BLOCKED_ADDRESS


@pytest.mark.parametrize("host", HIDDEN)
def test_t18_a_host_that_hides_an_address_is_refused_at_send(host: str) -> None:
    names = Names()
    assert called(f"http://{host}/", names).kind is OutcomeKind.BLOCKED_ADDRESS
    assert names.asked == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "017700000001", "127.1", "0x7f.1", "0"])
def test_t18_what_the_systems_own_resolver_makes_of_numbers_is_judged_as_well(host: str) -> None:
    [answer, *_] = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)
    assert str(ip_address(answer[4][0])) in {"127.0.0.1", "0.0.0.0"}  # noqa: S104 - an answer, not bound
    guard = Guard(PUBLIC_ONLY)
    with pytest.raises(Blocked):
        guard.choose(Place(scheme="http", host=host, port=80, target="/"), Deadline(SECOND))
    guard.close()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_t19_a_resolver_that_hangs_is_a_time_out_which_is_tried_again(released: threading.Event) -> None:
    def hanging(_host: str, _port: int) -> Sequence[str]:
        released.wait()
        return PUBLIC

    sender = HttpSender(PUBLIC_ONLY, resolver=hanging)
    webhook = Webhook(url="https://hooks.example/", timeout=timedelta(seconds=0.3))
    outcome = sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=())
    sender.close()
    assert (outcome.kind, outcome.took < SECOND) == (OutcomeKind.TIMED_OUT, True)


def test_t19_a_name_without_an_answer_is_a_failed_connection_which_is_tried_again() -> None:
    assert called("https://hooks.example/", Names()).kind is OutcomeKind.CONNECTION
    assert called("https://hooks.example/", Names({"hooks.example": [[]]})).kind is OutcomeKind.CONNECTION


def test_t20_a_name_that_turned_private_fails_its_job_and_is_not_tried_for_ever() -> None:
    """The answer at creation does not matter: none is asked for then. At send it is the metadata service."""
    world, names = a_world(), Names({"hooks.example": [METADATA]})
    world.services = replace(world.services, webhooks=HttpSender(PUBLIC_ONLY, resolver=names))
    waits = (timedelta(seconds=10), timedelta(minutes=1))
    job = world.a_job(target=Webhook(url="https://hooks.example/"), retry=RetryPolicy(waits=waits))
    world.let_pass(hours=1)
    [execution] = world.executions(job)
    assert execution.state is ExecutionState.FAILED
    assert [attempt.outcome.kind.value for attempt in execution.attempts] == ["blocked_address"] * 3
    assert names.asked == ["hooks.example"] * 3, "one look-up for each attempt"


def test_t20_a_name_that_changes_between_check_and_use_is_called_where_it_was_checked() -> None:
    """The first answer is loopback, allowed here; a second look-up would get the metadata service."""
    names = Names({"hooks.example": [["127.0.0.1"], METADATA]})
    sender = HttpSender(LOCAL, resolver=names)
    with receiver(answering(OK)) as here:
        webhook = Webhook(url=here.url(host="hooks.example"), timeout=SECOND)
        assert sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=()).delivered
        assert not sender.send(webhook, message_id="m", timestamp=SENT_AT, secrets=()).delivered, (
            "though the connection is kept"
        )
    sender.close()
    assert (len(here.requests), names.asked) == (1, ["hooks.example"] * 2)
