"""T56: one batch on real sockets, nine of whose receivers hang."""

import threading
from dataclasses import replace
from datetime import timedelta

from chalicelib.delivery.webhook import HttpSender
from chalicelib.operations.deliver import deliver
from chalicelib.scheduling.execution import OutcomeKind
from chalicelib.scheduling.schedule import Once
from chalicelib.scheduling.target import Webhook
from tests.delivery.receivers import OK, Connection, receiver
from tests.world import START, World, a_world

HANGING = 9
LIMIT = timedelta(seconds=1)
PATIENCE = 10.0  # seconds: nobody waits for as long unless the test fails


def a_batch(world: World, *urls: str) -> None:
    owner, _ = world.open_account()
    for number, url in enumerate(urls):
        target = Webhook(url=url, timeout=LIMIT)
        world.a_job(Once(at=START), owner=owner, job_id=f"job-{number}", target=target)


def test_t56_the_tenth_of_a_batch_is_delivered_while_nine_hang(sender: HttpSender) -> None:
    """The nine say nothing until the tenth was there, and nothing afterwards."""
    world, arrived, waited = a_world(), threading.Event(), list[bool]()

    def hang(connection: Connection) -> None:
        connection.read_request()
        waited.append(arrived.wait(PATIENCE))
        connection.linger()

    def answer(connection: Connection) -> None:
        connection.read_request()
        arrived.set()
        connection.sock.sendall(OK)

    world.services = replace(world.services, webhooks=sender)
    with receiver(hang) as hanging, receiver(answer) as tenth:
        a_batch(world, *[hanging.url()] * HANGING, tenth.url())
        assert deliver(world.services, world.queue.receive(), nonce="nonce") == frozenset()
    assert waited == [True] * HANGING
    outcomes = [facts["outcome"] for facts in world.events.of("fired")]
    assert outcomes == [OutcomeKind.TIMED_OUT] * HANGING + [OutcomeKind.DELIVERED]
