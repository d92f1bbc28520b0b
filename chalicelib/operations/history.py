"""What happened: executions and audit entries, as their account may read them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chalicelib import signing
from chalicelib.ports import FiringRef, Services, Span
from chalicelib.scheduling.account import Account, Principal
from chalicelib.scheduling.audit import AuditEntry
from chalicelib.scheduling.errors import Invalid, NotFound, Tampered, TooLarge
from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import Job, JobRef
from chalicelib.scheduling.secret import Sealed, Secret

ID_LENGTH = 32
HEX = frozenset("0123456789abcdef")
BEGINNING = datetime.fromtimestamp(0, UTC)
INSTANT = timedelta(milliseconds=1)
PAGE, MOST_READ = 500, 10_000  # executions that are read at once, and for one question
AHEAD = timedelta(days=1)  # nothing has happened later than now, whatever the clocks of two machines say


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of the history: a range of due times, open where a bound is None, perhaps of one job.

    `page`: where to go on, as the page before said; empty: at the latest execution.
    """

    job_id: str = ""
    start: datetime | None = None
    end: datetime | None = None
    limit: int = 100
    page: str = ""

    @property
    def place(self) -> str:
        """What a page of it is bound to; its length is free."""
        return json.dumps(["executions", self.job_id, *(at and at.isoformat() for at in (self.start, self.end))])


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Some executions, the latest first, and the token of the page that follows; empty where none does."""

    executions: Sequence[Execution]
    following: str


def executions_between(
    services: Services, principal: Principal, start: datetime, end: datetime, *, dialect: str, most: int = MOST_READ
) -> Sequence[Execution]:
    """Of the account's jobs made through one API: due in [start, end], by due time; the latest, where there are more.

    Raises TooLarge where those cannot be told without reading on and on, as so many of other APIs lie between them.
    """
    found, whole = _newest(services, principal, (start, end), keep=lambda one: one.dialect == dialect, most=most)
    if not whole:
        raise TooLarge("", "Too many executions lie in that time: ask for a shorter range")
    return found


def latest_executions(
    services: Services, principal: Principal, *, dialect: str, keep: Callable[[Execution], bool], most: int
) -> Sequence[Execution]:
    """Those to `keep`, the `most` that were sent last, in order of their sending.

    A firing may have been due long before it was sent, where its job was made with a time that had passed: so those due
    before the retention, which are few, are looked for as well. Among more executions than MOST_READ nothing is found.
    """
    now = services.clock.now()
    edge = now - services.rules.retention

    def kept(execution: Execution) -> bool:
        return execution.dialect == dialect and keep(execution)

    recent, _ = _newest(services, principal, (edge, now), keep=kept, most=most)
    long_past, _ = _newest(services, principal, (BEGINNING, edge - INSTANT), keep=kept, most=most)
    return sorted([*long_past, *recent], key=_sent_at)[-most:]


def history_page(services: Services, account: Account, asked: Query) -> HistoryPage:
    """The account's latest executions in a range, whichever API made their jobs; of one job where one is named.

    Raises Invalid where the page is none of this query's, or where executions are not kept by job.
    """
    if asked.job_id and not services.rules.history_by_job:
        raise Invalid("job", "cannot be asked for: HistoryByJob is 0 here")
    before = _opened(services, account, asked) if asked.page else ""
    start, end = _bounded(services, asked.start or BEGINNING, asked.end or services.clock.now())
    span = Span(start=start, end=end, before=before)
    found = _latest(services, account, asked.job_id, span, limit=asked.limit + 1) if start <= end else []
    shown, more = found[: asked.limit], found[asked.limit :]
    return HistoryPage(executions=shown, following=_sealed(services, account, asked, shown[-1]) if more else "")


def get_execution(services: Services, principal: Principal, execution_id: str, *, dialect: str) -> Execution:
    """By id. Raises NotFound, whoever else has it."""
    if len(execution_id) == ID_LENGTH and set(execution_id) <= HEX:
        found = services.executions.get(FiringRef(account_id=principal.account_id, firing_id=execution_id))
        if found and found.dialect == dialect:
            return found
    raise NotFound("Execution", execution_id)


def jobs_of(services: Services, executions: Iterable[Execution]) -> Mapping[JobRef, Job]:
    """The jobs of executions that were read for their account, as they are now; those deleted since are missing."""
    refs = {execution.ref for execution in executions}
    return services.firings.jobs(refs) if refs else {}


def audit_between(services: Services, principal: Principal, start: datetime, end: datetime) -> Sequence[AuditEntry]:
    """The account's audit entries created in [start, end], the oldest first."""
    start, end = _bounded(services, start, end)
    return services.audit.between(principal.account_id, start, end) if start <= end else []


def _newest(
    services: Services,
    principal: Principal,
    within: tuple[datetime, datetime],
    *,
    keep: Callable[[Execution], bool],
    most: int,
) -> tuple[Sequence[Execution], bool]:
    """Those to keep of a range, the `most` that were due last, by due time; and whether all were looked at for them."""
    start, end = _bounded(services, *within)
    found: list[Execution] = []
    span = Span(start=start, end=end)
    for _ in range(MOST_READ // PAGE):
        page = services.executions.latest(principal.account_id, span, limit=PAGE) if start <= end else []
        found += filter(keep, page)
        if len(found) >= most or len(page) < PAGE:
            return found[:most][::-1], True
        span = replace(span, before=page[-1].firing_id)
    return found[::-1], False


def _latest(services: Services, account: Account, job_id: str, span: Span, *, limit: int) -> Sequence[Execution]:
    if not job_id:
        return services.executions.latest(account.account_id, span, limit=limit)
    ref = JobRef(account_id=account.account_id, job_id=job_id)
    return services.executions.of_job(ref, limit=limit, span=span)


def _sealed(services: Services, account: Account, asked: Query, last: Execution) -> str:
    """The token of the page behind an execution: sealed, so that it opens for this account and this query alone."""
    sealed = services.vault.seal(account, asked.place, Secret(last.firing_id))
    return signing.b64url(sealed.ciphertext)


def _opened(services: Services, account: Account, asked: Query) -> str:
    """The id of the execution that a page begins behind."""
    ciphertext = signing.unb64url(asked.page)
    try:
        if ciphertext is not None:
            return services.vault.open(account, asked.place, Sealed(ciphertext=ciphertext)).reveal()
    except Tampered:
        pass
    raise Invalid("page", "is no page of this query")


def _bounded(services: Services, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The part of a range in which something can have happened: keys count milliseconds from 1970 in 13 digits."""
    return max(start, BEGINNING), min(end, services.clock.now() + AHEAD)


def _sent_at(execution: Execution) -> datetime:
    return execution.attempts[-1].sent_at if execution.attempts else execution.due_at
