"""What one tenant's receivers that hang do to another tenant, in virtual time: `python -m benchmarks.fairness`.

The tick, the stores, the queues' routing and the worker are the real ones, on the stand-in's tables and fair queues.
Played are the time (`benchmarks.timeline`), the receivers, and Lambda's event sources: each lane has five workers at
first, five more a second while messages wait for one, and MaximumConcurrency at most. Source for both: AWS,
"Configuring scaling behavior for SQS event source mappings".

Alice floods: her receiver never answers, and each of her calls is ended after half a minute. Bob has a job now and
then, and his receiver answers at once. What counts is how late Bob's calls are, and that all of Alice's are made.
"""

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from benchmarks.cloud import in_memory
from benchmarks.counted import BATCH, START, Belltower
from benchmarks.machine import machine
from benchmarks.report import publish, table
from benchmarks.timeline import Timeline, Watch
from chalicelib.delivery.queue import SqsQueue, decode
from chalicelib.operations.deliver import deliver
from chalicelib.operations.tick import tick
from chalicelib.ports import Received, Services
from chalicelib.scheduling.claiming import floor_to_minute
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.job import due_of
from chalicelib.scheduling.lane import Holds, Share
from chalicelib.scheduling.schedule import Every, Once, Schedule
from chalicelib.scheduling.target import Webhook

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
ALICE, BOB = "https://alice.example/", "https://bob.example/"
HANG, ANSWER = 30 * SECOND, SECOND / 20
OVERHEAD: Final = SECOND / 50
"""Of an invocation: what reading, claiming and recording take."""
TICK_DELAY: Final = SECOND / 2
POLL: Final = SECOND / 20
AT_FIRST, MORE_A_SECOND = 5, 5
FLOOD: Final = START + 5 * MINUTE
SOON: Final = 3 * SECOND
PROBED: Final = 2 * MINUTE
SECTION: Final = "fairness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A deployment: its workers for each lane, and an account's share of a minute. One queue: as if in one lane."""

    workers: int = 50
    share: int | None = 12
    queues: int = 2


@dataclass(slots=True)
class Calls:
    """What arrived at a tenant's receiver: how late, by firing."""

    late: dict[str, list[timedelta]] = field(default_factory=dict)

    def worst(self) -> float:
        """Seconds, of a first attempt."""
        return max((those[0].total_seconds() for those in self.late.values()), default=0.0)

    def doubled(self) -> int:
        """Calls that were made again."""
        return sum(len(those) - 1 for those in self.late.values())


class Receivers:
    """Both receivers, as one invocation calls them. Alice's hangs from the flood on."""

    def __init__(self, watch: Watch, calls: Mapping[str, Calls]) -> None:
        self._watch, self._calls = watch, calls

    def send(self, webhook: Webhook, *, message_id: str, **_given: object) -> Outcome:
        """Notes when it came, and answers when that receiver does."""
        came = self._watch.now()
        self._calls[webhook.url].late.setdefault(message_id, []).append(came - due_of(message_id))
        if webhook.url == ALICE and came >= FLOOD:
            self._watch.take(HANG)
            return Outcome(kind=OutcomeKind.TIMED_OUT, took=HANG)
        self._watch.take(ANSWER)
        return Outcome(kind=OutcomeKind.DELIVERED, took=ANSWER, status=200)


class Play:
    """A deployment and its two tenants, on a time line of their own."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.calls = setup, {ALICE: Calls(), BOB: Calls()}
        self.timeline, self._over = Timeline(START), False
        self._cloud = in_memory(self.timeline)
        self.belltower = Belltower(self._cloud, self.timeline)
        self._urls = (self._cloud.queue_url, self._cloud.retry_queue_url)[: setup.queues]
        queue = SqsQueue(self._cloud.sqs, jobs_url=self._urls[0], retries_url=self._urls[-1], fair=True)
        self.belltower.services = replace(self.belltower.services, queue=queue, share=Share(setup.share))
        self._owners = {ALICE: self.belltower.open_account(), BOB: self.belltower.open_account()}
        self._numbers = itertools.count(1)
        self._ticks_share = Share(setup.share)  # another process, another count
        self._idle: list[Holds] = []  # what each process knows that waits for an invocation
        for url in self._urls:
            self.later(START, partial(self._feed, url, setup.workers * 2 // setup.queues))
        self.later(START, self._tick)

    def job(self, url: str, schedule: Schedule) -> None:
        """A job of the tenant who has that receiver, made now."""
        self.belltower.job(self._owners[url], schedule, number=next(self._numbers), url=url)

    def later(self, moment: datetime, do: Callable[[], None]) -> None:
        """Does a thing then, which may take its time."""

        def work() -> None:
            self.timeline.sleep_until(moment)
            do()

        self.timeline.spawn(work)

    def run(self, until: datetime) -> None:
        """Lets time pass, and at the end lets what still runs come to its end."""
        self.timeline.run(until)
        self._over = True
        self.timeline.run(until + 2 * MINUTE)

    def _tick(self) -> None:
        watch = Watch(self.timeline)
        while not self._over:
            minute = floor_to_minute(watch.now())
            tick(replace(self._services(watch), share=self._ticks_share), minute, until=minute + MINUTE)
            watch.sleep_until(minute + MINUTE + TICK_DELAY)

    def _feed(self, url: str, most: int) -> None:
        """Lambda's event source for one queue."""
        watch, allowed, busy = Watch(self.timeline), float(AT_FIRST), [0]
        while not self._over:
            waits = False
            while busy[0] < int(allowed) and (received := self._receive(url)):
                busy[0] += 1
                self.timeline.spawn(partial(self._invoke, url, received, busy))
                waits = busy[0] == int(allowed)
            if waits or busy[0] == int(allowed):
                allowed = min(allowed + MORE_A_SECOND * POLL.total_seconds(), most)
            watch.take(POLL)

    def _receive(self, url: str) -> Mapping[str, Received]:
        """A batch, by the handles that delete it."""
        answer = self._cloud.sqs.call("ReceiveMessage", {"QueueUrl": url, "MaxNumberOfMessages": BATCH})
        return {
            one["ReceiptHandle"]: Received(
                message_id=one["MessageId"],
                receives=int(one["Attributes"]["ApproximateReceiveCount"]),
                due=decode(one["Body"]),
            )
            for one in answer.get("Messages", [])
        }

    def _invoke(self, url: str, received: Mapping[str, Received], busy: list[int]) -> None:
        watch, holds = Watch(self.timeline), self._idle.pop() if self._idle else Holds()
        watch.take(OVERHEAD)
        services = replace(self._services(watch), holds=holds)
        left = deliver(services, list(received.values()), nonce=f"nonce-{next(self._numbers)}")
        done = [handle for handle, message in received.items() if message.message_id not in left]
        entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(done)]
        if entries:
            self._cloud.sqs.call("DeleteMessageBatch", {"QueueUrl": url, "Entries": entries})
        self._idle.append(holds)
        busy[0] -= 1

    def _services(self, watch: Watch) -> Services:
        return replace(self.belltower.services, clock=watch, crew=watch, webhooks=Receivers(watch, self.calls))


# --- what Alice does --------------------------------------------------------------------------------------------------


def at_once(play: Play, count: int) -> None:
    """All in one second."""
    for _ in range(count):
        play.job(ALICE, Once(at=FLOOD))


def over_a_minute(play: Play, count: int) -> None:
    """Evenly, so that many batches have one of them."""
    for number in range(count):
        play.job(ALICE, Once(at=FLOOD + MINUTE * number / count))


def each_minute(play: Play, count: int) -> None:
    """Again and again."""
    for _ in range(count):
        play.job(ALICE, Every(start=FLOOD, period=MINUTE))


def by_the_api(play: Play, count: int) -> None:
    """Made while the minute lasts, each due in three seconds."""

    def create() -> None:
        watch = Watch(play.timeline)
        for _ in range(count):
            play.job(ALICE, Once(at=watch.now() + SOON))
            watch.take(MINUTE / count)

    play.later(FLOOD - SOON, create)


def that_always_worked(play: Play, count: int) -> None:
    """Each minute, made bit by bit over hours: all of them travel by the first lane when the receiver breaks."""
    services = play.belltower.services
    play.belltower.services = replace(services, share=Share(None))
    for _ in range(count):
        play.job(ALICE, Every(start=START + MINUTE, period=MINUTE))
    play.belltower.services = services


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What Alice does with how many jobs, and for how many minutes it is watched."""

    title: str
    flood: Callable[[Play, int], None]
    minutes: int
    count: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What came of a scene. `worst`: seconds by which a call of Bob's was late; `last`: of Alice's."""

    title: str
    count: int
    bob: int
    worst: float
    attempted: int
    last: float
    doubled: int


FLOODS: Final = (
    Scene(title="due in one second", flood=at_once, minutes=15),
    Scene(title="due over one minute", flood=over_a_minute, minutes=15),
    Scene(title="made by the API within a minute, each due in 3 s", flood=by_the_api, minutes=15),
    Scene(title="due each minute, for three minutes", flood=each_minute, minutes=3),
)
LIMIT: Final = Scene(
    title="due each minute and well for years, until now", flood=that_always_worked, minutes=3, count=1_000
)
"""What two lanes do not prevent: nothing was known of these jobs but that they work."""


def played(scene: Scene, setup: Setup, count: int, *, every: timedelta = 5 * SECOND) -> Outcomes:
    """One scene. How often Bob makes a job keeps within his own share."""
    play = Play(setup)
    play.job(BOB, Every(start=FLOOD, period=MINUTE))
    scene.flood(play, count)
    for number in range(PROBED // every):
        moment = FLOOD + number * every
        play.later(moment, partial(play.job, BOB, Once(at=moment + SOON)))
    play.run(FLOOD + scene.minutes * MINUTE - SECOND)
    alice, bob = play.calls[ALICE], play.calls[BOB]
    return Outcomes(
        title=scene.title,
        count=count,
        bob=len(bob.late),
        worst=bob.worst(),
        attempted=len(alice.late),
        last=alice.worst(),
        doubled=alice.doubled() + bob.doubled(),
    )


# --- the report -------------------------------------------------------------------------------------------------------

SETUPS: Final[Mapping[str, Setup]] = {"two lanes": Setup(), "one lane": Setup(queues=1)}


def render(outcomes: Mapping[str, Sequence[Outcomes]], told: Mapping[str, str]) -> str:
    """The section, in Markdown."""
    rows = [
        [
            f"{one.title}, {name}",
            f"{one.count:,}",
            f"{one.worst:.2f}",
            str(one.bob),
            f"{one.attempted:,}",
            f"{one.last:.0f}",
            str(one.doubled),
        ]
        for name, those in outcomes.items()
        for one in those
    ]
    titles = ["Alice's jobs", "how many", "Bob, worst s", "his calls", "hers", "her last, s late", "doubled"]
    heading = f"## One tenant's receivers that hang\n\n{told['date']}, `make fairness`."
    return "\n\n".join((heading, EXPLANATION, table(titles, sorted(rows))))


EXPLANATION: Final = f"""\
In virtual time, so the machine has no say: the real tick, stores, queue and worker on the stand-in, with Lambda's event
sources played. Alice's jobs call a receiver that never answers, {HANG.seconds} s each; Bob has a job each minute, and
for two minutes makes one every five seconds that is due in {SOON.seconds}. {Setup().workers} workers for each
lane, {AT_FIRST} of them at first and {MORE_A_SECOND} more a second, batches of {BATCH}, a share of {Setup().share}.
"One lane" is the sabotage: the same code and as many workers, with both lanes in one queue. The scene "until now" is
what two lanes do not prevent: nothing was known of these jobs but that they work, and all of them fail at once."""


def main(arguments: Sequence[str]) -> int:
    """Plays every scene, prints and, without --dry, publishes."""
    outcomes = {
        name: [played(scene, setup, scene.count) for scene in (*FLOODS, LIMIT)] for name, setup in SETUPS.items()
    }
    text = render(outcomes, machine())
    print(text)
    if "--dry" not in arguments:
        publish(SECTION, text, raw={name: [asdict(one) for one in those] for name, those in outcomes.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
