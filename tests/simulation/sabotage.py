"""Systems that are worse than ours, each by one step out of order: the simulation must tell them from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.operations.deliver import deliver
from chalicelib.operations.tick import tick
from chalicelib.ports import Claimed, JobClaim, NextFires, Received, RetryClaim, Services, Watermarks, WebhookSender
from chalicelib.scheduling.claiming import REACH
from chalicelib.scheduling.execution import Outcome
from chalicelib.scheduling.job import to_millis
from chalicelib.scheduling.target import Webhook
from chalicelib.storage.codec import claim_map, execution_key, optional, standing_key
from chalicelib.storage.executions import DynamoFirings
from chalicelib.storage.jobs import shard_of
from chalicelib.storage.tables import PRESENT, Table, setting
from tests.fakes import OK
from tests.simulation.cloud import SHARDS, Cloud
from tests.simulation.run import System
from tests.simulation.weather import SCENARIOS, Scenario
from tests.world import RULES

MINUTE: Final = timedelta(minutes=1)


class Grasping(DynamoFirings):
    """Claims whatever a message speaks of, however it stands by now."""

    def __init__(self, table: Table, services: Services) -> None:
        super().__init__(table, services.clock, shards=SHARDS, retention=RULES.retention)
        self._rows = table

    def claim(self, claims: Sequence[JobClaim | RetryClaim]) -> Sequence[Claimed]:
        return [self._grasped(one) for one in claims]

    def _grasped(self, one: JobClaim | RetryClaim) -> Claimed:
        if isinstance(one, RetryClaim):
            execution = one.execution
            key = execution_key(execution.ref.account_id, execution.firing_id)
            self._put(key, {"claim": claim_map(one.claim), "due_at": None, "shard": None})
            return replace(execution, claim=one.claim, retry_at=None)
        after = one.after
        due_at, shard = optional(to_millis, after.due_at), shard_of(one.ref, SHARDS) if after.due_at else None
        changes = {"claim": optional(claim_map, after.claim), "state": after.state.value}
        self._put(standing_key(one.ref), {**changes, "due_at": due_at, "shard": shard})
        return after

    def _put(self, key: tuple[str, str], changes: Mapping[str, Any]) -> None:
        self._rows.update(key, setting(changes), condition=PRESENT)


def grasping(cloud: Cloud) -> Services:
    """The claim without its condition."""
    services = cloud.services
    return replace(services, firings=Grasping(cloud.table(cloud.names.jobs), services))


@dataclass(slots=True)
class Later:
    """A sender that says yes, and sends when everything is written down."""

    sender: WebhookSender
    owed: list[Callable[[], Outcome]]

    def send(self, webhook: Webhook, **options: Any) -> Outcome:
        self.owed.append(lambda: self.sender.send(webhook, **options))
        return OK


def record_first(services: Services, batch: Sequence[Received], *, nonce: str) -> frozenset[str]:
    """The record before the send."""
    later = Later(services.webhooks, [])
    left = deliver(replace(services, webhooks=later), batch, nonce=nonce)
    for send in later.owed:
        send()
    return left


@dataclass(slots=True)
class Ahead:
    """Watermarks that are moved when they are read, before anything was sent."""

    inside: NextFires
    mark: datetime

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inside, name)

    def watermarks(self) -> Watermarks:
        before = self.inside.watermarks()
        marks = dict.fromkeys(self.inside.shards(), self.mark)
        self.inside.advance(replace(before, marks=marks))
        return replace(before, version=before.version + 1)


def remember_first(services: Services, minute: datetime, *, until: datetime) -> int:
    """The tick that remembers what it will send, then sends it."""
    ahead: Any = Ahead(services.next_fires, minute + REACH)
    return tick(replace(services, next_fires=ahead), minute, until=until)


@dataclass(slots=True)
class Forgetful:
    """Watermarks that are made up from the minute."""

    inside: NextFires
    since: datetime

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inside, name)

    def watermarks(self) -> Watermarks:
        return replace(self.inside.watermarks(), marks=dict.fromkeys(self.inside.shards(), self.since))


def this_minute_only(services: Services, minute: datetime, *, until: datetime) -> int:
    """The tick that reads the one minute that is new, whatever became of the tick before."""
    forgetful: Any = Forgetful(services.next_fires, minute + REACH - MINUTE)
    return tick(replace(services, next_fires=forgetful), minute, until=until)


SABOTAGED: Final[Mapping[str, tuple[System, Scenario]]] = {
    "the claim without its condition": (System(changed=grasping), SCENARIOS["deaths"]),
    "the record before the send": (System(delivering=record_first), SCENARIOS["deaths"]),
    "the watermark moved before the send": (System(ticking=remember_first), SCENARIOS["ticks"]),
    "the minute in place of the watermark": (System(ticking=this_minute_only), SCENARIOS["ticks"]),
}
