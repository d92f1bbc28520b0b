"""Every web server there is. Each keeps what reaches it; some answer 500, or 410, or too late, or never."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum

from chalicelib.scheduling.execution import Execution, Outcome, OutcomeKind
from chalicelib.scheduling.job import JobRef
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import Webhook
from tests.simulation.doors import Elements
from tests.simulation.history import Sent

HOST = "https://example.com/"
CALLBACK = "-callback"
QUICK, SLOW = (5, 60), (1000, 4000)


class Manner(StrEnum):
    """How a receiver is, in bad weather."""

    WELL = "well"
    FLAKY = "flaky"  # every other time it answers 500
    SLOW = "slow"
    HANGING = "hanging"  # until the caller has enough
    GONE = "gone"  # 410


STATUS = {Manner.FLAKY: 500, Manner.GONE: 410}


class Receivers:
    """The WebhookSender. `owners`: by the secret that signs. `manners`: by account and job."""

    def __init__(self, elements: Elements, record: Callable[[str, str], Execution | None]) -> None:
        self._elements, self._record = elements, record
        self.owners: dict[str, str] = {}
        self.manners: dict[str, Manner] = {}

    def send(self, webhook: Webhook, *, message_id: str, secrets: Sequence[Secret], **_given: object) -> Outcome:
        elements, began, place = self._elements, self._elements.loop.now, webhook.url.removeprefix(HOST)
        manner = self._manner(place)
        elements.step("before the call")
        elements.take(QUICK)
        self._arrived(webhook, place, message_id, secrets)
        elements.step("within the call")
        if manner is Manner.HANGING:
            elements.loop.sleep(webhook.timeout // timedelta(milliseconds=1))
            return Outcome(kind=OutcomeKind.TIMED_OUT, took=webhook.timeout)
        elements.take(SLOW if manner is Manner.SLOW else QUICK)
        elements.step("after the call")
        took = timedelta(milliseconds=elements.loop.now - began)
        kind = OutcomeKind.REFUSED if manner in STATUS else OutcomeKind.DELIVERED
        return Outcome(kind=kind, took=took, status=STATUS.get(manner, 200))

    def _manner(self, place: str) -> Manner:
        """In good weather all are well."""
        manner = self.manners.get(place, Manner.WELL)
        ill = self._elements.weather.ill_receivers > 0
        if not ill or (manner is Manner.FLAKY and self._elements.happens(0.5)):
            return Manner.WELL
        return manner

    def _arrived(self, webhook: Webhook, place: str, message_id: str, secrets: Sequence[Secret]) -> None:
        """What a call carries: the place in its URL, the mark in its body, and who signed it."""
        account_id, _, job_id = place.partition("/")
        now, by, history = self._elements.loop.now, self._elements.loop.process, self._elements.history
        if message_id.endswith(CALLBACK):
            history.note(now, f"{by.name}: callback {message_id}", of=place)
            return
        owners = {account_id, webhook.body.decode().partition("/")[0]}
        owners |= {self.owners.get(secret.reveal(), "nobody") for secret in secrets}
        event = Sent(
            at=now,
            ref=JobRef(account_id=account_id, job_id=job_id),
            firing_id=message_id,
            known=self._record(account_id, message_id),
            owners=frozenset(owners),
            by=by,
        )
        history.counts["sent"] += 1
        history.add(event, line=f"{by.name}: sent {message_id}")
