"""Once a day: claims against executions.

One loss nothing else sees: a message that its queue lost after its firing was claimed, as a purge does. The job has
moved on, no redelivery comes, and there is no record.

So every claim that is old enough for its worker to be dead and its message to be given up is held against the record
of its firing. Where there is none, the firing is reported as `unproved` and given back: the job, or the execution that
waited for its next attempt, stands again where it stood before the claim, and fires once, late, as any missed time
does. Where the job was changed since, the change cancelled the firing, and the record says so from now on.

Every write has the claim it was decided by as its condition, so this may run beside anything, and twice at once. It
goes through the accounts a page at a time and remembers the page, so what one run has no time for is the next one's.
A job shows its last claim alone: one that fires every minute is not looked at, its next firing has come long ago.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.operations.conclude import ids_of
from chalicelib.operations.express import dispatch, entry_of, retry_of
from chalicelib.ports import FiringRef, Services
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import Claim, JobRef, Standing, firing_id

AGE = timedelta(hours=6)  # a message is given up by its queue long before: MaxReceiveCount times the visibility
REACH = timedelta(days=7)  # how far back it looks, unless records are kept for less: five runs may fail in between
LONGEST_RETRY = timedelta(days=1)  # between a firing's due time and its last attempt

Place = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsPage:
    """Some of the accounts' ids. `last`: the place behind which the next page begins, None where there is none."""

    accounts: Sequence[str]
    last: Place | None


class Ledger(Protocol):
    """Every account's claims, and how far the last run came."""

    def accounts(self, after: Place | None) -> AccountsPage:
        """Those behind a place."""

    def standings(self, account_id: str) -> Iterator[Sequence[tuple[JobRef, Standing]]]:
        """Of all jobs of an account, some at a time."""

    def claimed(self, account_id: str, *, since: datetime, until: datetime) -> Iterator[Sequence[Execution]]:
        """The executions of an account due in the span, whose attempt is claimed and has no outcome yet."""

    def give_back(self, ref: JobRef, standing: Standing, before: Standing) -> bool:
        """Puts `before` where `standing` is; False: it is another by now."""

    def give_back_attempt(self, execution: Execution, retry_at: datetime) -> bool:
        """Lets an execution as it was read wait for its attempt once more; False: it is another by now."""

    def place(self) -> Place | None:
        """Behind which the next page begins: what was kept last."""

    def keep(self, place: Place | None) -> None:
        """None: the next run begins from the beginning."""


@dataclass(frozen=True, slots=True)
class Held:
    """A claim, and where it was found."""

    ref: JobRef
    standing: Standing
    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Claims made in (since, until] are held against the records."""

    since: datetime
    until: datetime

    def __contains__(self, claim: Claim) -> bool:
        return self.since < claim.claimed_at <= self.until


def reconcile(services: Services, ledger: Ledger, *, until: datetime, age: timedelta = AGE) -> int:
    """Goes on where the last run stopped and returns how many firings had no proof.

    Begins no account after `until`. `age`: of the youngest claims it looks at; at least a lease, and for certain more
    than a message may live. Raises Unavailable: what was done is remembered.
    """
    now = services.clock.now()
    reach = min(REACH, services.rules.retention)
    window = Window(since=now - reach, until=now - max(age, services.rules.lease))
    place, unproved, accounts = ledger.place(), 0, 0
    while True:
        page = ledger.accounts(place)
        for account_id in page.accounts:
            unproved += _account(services, ledger, account_id, window)
        place, accounts = page.last, accounts + len(page.accounts)
        ledger.keep(place)
        if place is None or services.clock.now() > until:
            break
    services.events.emit("reconciled", accounts=accounts, unproved=unproved, ended=str(place is None))
    return unproved


def _account(services: Services, ledger: Ledger, account_id: str, window: Window) -> int:
    """How many of one account had no proof. One that cannot be read is told, and does not keep us from the others."""
    try:
        return _jobs(services, ledger, account_id, window) + _attempts(services, ledger, account_id, window)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        services.events.emit("fault", account=account_id, error=type(error).__name__)
        return 0


def _jobs(services: Services, ledger: Ledger, account_id: str, window: Window) -> int:
    """The last claim of each job; how many had no record. One whose next firing is overdue is left to the sweep."""
    now, unproved = services.clock.now(), 0
    for page in ledger.standings(account_id):
        old = {
            FiringRef(account_id=account_id, firing_id=firing_id(ref, claim.due_at)): Held(ref, standing, claim)
            for ref, standing in page
            if (claim := standing.claim) and claim in window and (standing.due_at is None or standing.due_at > now)
        }
        recorded = services.firings.executions(old)
        unproved += sum(_settle(services, ledger, held) for name, held in old.items() if name not in recorded)
    return unproved


def _settle(services: Services, ledger: Ledger, held: Held) -> bool:
    """Gives back or cancels a firing without a record; False: somebody was there meanwhile."""
    before = held.standing.unclaimed()
    done = ledger.give_back(held.ref, held.standing, before) if before else _cancel(services, held)
    if done:
        due_at, given_back = held.claim.due_at, before is not None
        ids = {"account": held.ref.account_id, "job": held.ref.job_id, "firing": firing_id(held.ref, due_at)}
        services.events.emit("unproved", **ids, given_back=str(given_back))
        dispatch(services, [entry_of(held.ref, before)] if before else [], now=services.clock.now())
    return done


def _cancel(services: Services, held: Held) -> bool:
    """Records that a firing was cancelled, unless there is a record by now, or the job is gone."""
    job = services.firings.jobs([held.ref]).get(held.ref)
    if job is None:
        return False
    firing = Execution(
        firing_id=firing_id(held.ref, held.claim.due_at),
        ref=held.ref,
        dialect=job.definition.dialect,
        key=job.definition.key,
        due_at=held.claim.due_at,
        state=ExecutionState.WAITING,
        job_rev=held.standing.rev,
    )
    found = services.firings.mark(firing, held.claim)
    return not found.tried and services.executions.cancel(found)


def _attempts(services: Services, ledger: Ledger, account_id: str, window: Window) -> int:
    """Further attempts, and firings that somebody marked as theirs; how many have no outcome."""
    unproved = 0
    for page in ledger.claimed(account_id, since=window.since - LONGEST_RETRY, until=window.until):
        for execution in page:
            if execution.claim and execution.claim in window and not execution.final:
                unproved += _again(services, ledger, execution, execution.claim.due_at)
    return unproved


def _again(services: Services, ledger: Ledger, execution: Execution, retry_at: datetime) -> bool:
    """Lets an attempt without an outcome be made once more; the worker ends it where the job was changed since."""
    if not ledger.give_back_attempt(execution, retry_at):
        return False
    services.events.emit("unproved", **ids_of(execution), given_back=str(True))
    dispatch(services, [retry_of(replace(execution, retry_at=retry_at, claim=None))], now=services.clock.now())
    return True
