"""The tenants: they make jobs of every kind, change them, and tell what they were answered."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

from chalicelib.operations import jobs as operations
from chalicelib.operations.jobs import Change
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.job import Definition, Ending, Job, JobRef
from chalicelib.scheduling.retry import NEVER, Misfire, RetryPolicy
from chalicelib.scheduling.schedule import Cron, Every, Once, Schedule, Spelling
from chalicelib.scheduling.target import Callback, Webhook
from tests.simulation.cloud import Cloud
from tests.simulation.history import Answered, Asked, name_of
from tests.simulation.loop import Process
from tests.simulation.machinery import Invoker
from tests.simulation.receivers import HOST, Manner
from tests.simulation.weather import MINUTE, SECOND

DIALECT: Final = "simulated"
REQUEST_LIMIT: Final = 29 * SECOND
PERIODS: Final = (2, 5, 10, 20, 30, 45, 60, 90, 180)
CRONS: Final = (
    Cron(expression="* * * * *"),
    Cron(expression="*/2 * * * *"),
    Cron(expression="*/5 * * * *", zone="Asia/Kolkata"),
    Cron(expression="0/20 * * * * ?", spelling=Spelling.QUARTZ),
)
RETRIES: Final = (NEVER, NEVER, RetryPolicy(waits=(timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=4))))
MISFIRES: Final = (Misfire.LATEST, Misfire.LATEST, Misfire.LATEST, Misfire.SKIP, Misfire.ALL)
SHORTEST_FOR_ALL: Final = timedelta(seconds=10)
CLOSE: Final = (-300, 1300)  # milliseconds before a due time: claims come up to a second early
WISHES: Final = (Asked.EDIT, Asked.EDIT, Asked.PAUSE, Asked.RESUME, Asked.RESUME, Asked.DELETE, Asked.RUN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A user, and the jobs asked for."""

    principal: Principal
    jobs: list[JobRef]


class Users:
    """All tenants. Their wishes are spread over the bad weather; none is left for the good."""

    def __init__(self, cloud: Cloud, invoker: Invoker) -> None:
        self._cloud, self._invoker, self._random = cloud, invoker, cloud.random
        self._tenants = [
            Tenant(principal=cloud.open_account(number), jobs=[]) for number in range(cloud.scenario.tenants)
        ]
        self._named = 0
        for _ in range(cloud.scenario.jobs):
            self._at(0.0, 0.6, self._create)
        for _ in range(cloud.scenario.changes):
            self._at(0.1, 1.0, self._change)

    def _at(self, low: float, high: float, do: Callable[[Tenant], None]) -> None:
        moment = int(self._random.uniform(low, high) * self._cloud.scenario.bad)
        self._cloud.loop.at(self._cloud.loop.now + moment, partial(do, self._random.choice(self._tenants)))

    def _create(self, tenant: Tenant) -> None:
        self._named += 1
        ref = JobRef(account_id=tenant.principal.account_id, job_id=f"job-{self._named}")
        tenant.jobs.append(ref)
        self._cloud.receivers.manners[name_of(ref)] = self._manner()
        self._ask(ref, Asked.CREATE, partial(self._created, tenant, ref))

    def _manner(self) -> Manner:
        weather = self._cloud.elements.weather
        return self._random.choice(list(Manner)) if self._cloud.elements.happens(weather.ill_receivers) else Manner.WELL

    def _created(self, tenant: Tenant, ref: JobRef) -> str:
        random, place = self._random, name_of(ref)
        schedule = self._schedule()
        misfire = random.choice(MISFIRES)
        if isinstance(schedule, Every) and schedule.period < SHORTEST_FOR_ALL:
            misfire = Misfire.LATEST
        definition = Definition(
            ref=ref,
            dialect=DIALECT,
            key=tenant.principal.key,
            name=place,
            target=Webhook(url=HOST + place, body=place.encode(), timeout=timedelta(seconds=random.choice((3, 30)))),
            created_at=self._cloud.services.clock.now(),
            retry=random.choice(RETRIES),
            ending=random.choice(list(Ending)),
            callback=Callback(url=HOST + place, delivered=b"", failed=b"") if random.random() < 0.1 else None,
        )
        operations.create_job(self._cloud.services, definition, schedule, misfire=misfire)
        return ""

    def _schedule(self) -> Schedule:
        random, now = self._random, self._cloud.services.clock.now()
        soon = now + timedelta(milliseconds=random.randint(-MINUTE, self._cloud.scenario.bad // 2))
        match random.randint(0, 9):
            case 0 | 1 | 2 | 3 | 4:
                return Once(at=soon)
            case 5 | 6 | 7:
                return Every(start=now + timedelta(seconds=random.randint(1, 150)), period=self._period())
        return random.choice(CRONS)

    def _period(self) -> timedelta:
        return timedelta(seconds=self._random.choice(PERIODS))

    def _change(self, tenant: Tenant) -> None:
        if tenant.jobs:
            ref, wish = self._random.choice(tenant.jobs), self._random.choice(WISHES)
            ask = partial(self._ask, ref, wish, partial(self._changed, tenant, ref, wish))
            self._cloud.loop.at(self._ill_timed(ref), ask)

    def _ill_timed(self, ref: JobRef) -> int:
        """Now, or just when the job is about to be claimed, where that is soon."""
        now, due = self._cloud.loop.now, self._cloud.due(ref)
        if due is None or not now < due - CLOSE[1] < now + MINUTE:
            return now
        return due - self._random.randint(*CLOSE)

    def _changed(self, tenant: Tenant, ref: JobRef, wish: Asked) -> str:
        services, who, job_id = self._cloud.services, tenant.principal, ref.job_id
        match wish:
            case Asked.EDIT:
                operations.edit_job(services, who, job_id, dialect=DIALECT, edit=self._edited)
            case Asked.PAUSE:
                operations.pause_job(services, who, job_id, dialect=DIALECT)
            case Asked.RESUME:
                operations.resume_job(services, who, job_id, dialect=DIALECT)
            case Asked.DELETE:
                operations.delete_job(services, who, job_id, dialect=DIALECT)
            case Asked.RUN:
                return operations.run_now(services, who, job_id, dialect=DIALECT).firing_id
        return ""

    def _edited(self, job: Job) -> Change:
        """Of the words alone, or of the schedule too."""
        definition = replace(job.definition, name=f"{job.definition.name} again")
        all_of_them = job.standing.misfire is Misfire.ALL
        schedule: Schedule | None = self._random.choice((None, *CRONS)) if all_of_them else self._schedule()
        return Change(definition=definition, schedule=schedule if self._random.random() < 0.7 else None)

    def _ask(self, ref: JobRef, what: Asked, do: Callable[[], str]) -> None:
        """One request to the API. Where it is not answered, it may have been done or not."""

        def work(process: Process) -> None:
            asked_at, history = self._cloud.loop.now, self._cloud.history
            history.note(asked_at, f"{process.name}: {what}?", of=name_of(ref))
            firing_id = do()
            now = self._cloud.loop.now
            event = Answered(asked_at=asked_at, at=now, ref=ref, what=what, firing_id=firing_id)
            history.add(event, line=f"{process.name}: {what} done")

        weather = self._cloud.elements.weather
        self._invoker.invoke("api", work, limit=REQUEST_LIMIT, killed=weather.killed / 4, skew=weather.skew)
