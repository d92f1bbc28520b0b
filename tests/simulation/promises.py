"""The promises, one function each: a job's story in, what is broken out."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from chalicelib.operations.claim import BESIDE
from chalicelib.scheduling.execution import Execution, ExecutionState
from chalicelib.scheduling.job import JobState, firing_id
from chalicelib.scheduling.retry import Misfire
from tests.simulation.history import Answered, Asked, Sent, Stood
from tests.simulation.oracle import Bounds, Broken, Claimed, Rule, Span, Story, is_claim, spans

NOT_SENT: Final = {ExecutionState.MISSED, ExecutionState.PARKED, ExecutionState.CANCELLED}


def every_due_time_is_claimed(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """Every due time of a span is claimed in time, or coalesced by a late claim, or cancelled before it was owed."""
    claims = {(claim.rev, claim.due_at): claim for claim in story.claims}
    for span in spans(story):
        end = bounds.end if span.until is None else min(span.until, bounds.end)
        due: datetime | None = span.first
        while due and bounds.owed_by(max(bounds.at(due), span.since)) < end:
            claim = claims.get((span.standing.rev, due))
            if claim is None:
                yield _broken(story, bounds.at(due), "every due time is attempted", "nobody claimed it")
                return
            due = _following(span, claim)


def _following(span: Span, claim: Claimed) -> datetime | None:
    every_one = span.standing.misfire is Misfire.ALL
    return span.standing.schedule.next_after(
        claim.due_at if every_one else max(claim.due_at, claim.claimed_at),
    )


def every_claim_is_attempted(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """What was claimed was sent and has a record, unless the job was changed before a dead worker's heir came."""
    sent, records = {event.firing_id for event in story.sent}, story.records
    for claim in story.claims:
        name = firing_id(story.ref, claim.due_at)
        record = records.get(name)
        if bounds.owed_by(claim.at) >= bounds.end or story.changed_after(claim.at, claim.rev):
            continue
        if name not in sent and (record is None or record.state not in NOT_SENT):
            yield _broken(story, claim.at, "every due time is attempted", f"{name} was claimed and never sent")
        elif record is None:
            yield _broken(story, claim.at, "every firing has its record", f"{name} has none")


def what_is_recorded_was_done(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """No record tells of more attempts than were made."""
    del bounds
    made: dict[str, list[int]] = {}
    for event in story.sent:
        made.setdefault(event.firing_id, []).append(event.at)
    for recorded in story.recorded:
        before = sum(at <= recorded.at for at in made.get(recorded.firing_id, ()))
        told = len(recorded.after.attempts)
        if told > before:
            text = f"{recorded.firing_id} has {told} attempts and {before} were made"
            yield _broken(story, recorded.at, "a record tells the truth", text)


def nothing_is_sent_twice_that_need_not_be(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """A second call for one attempt comes only after the first one's process ended without a record.

    An edit may bring back a due time whose firing is under way: to send that twice is better than never.
    """
    del bounds
    earlier: dict[tuple[str, int], list[Sent]] = {}
    brought_back = _brought_back(story)
    for event in story.sent:
        known = event.known
        if event.firing_id in brought_back:
            continue
        if known and known.final:
            yield _broken(story, event.at, "no needless doubles", f"{event.firing_id} was {known.state} already")
        before = earlier.setdefault((event.firing_id, len(known.attempts) if known else 0), [])
        busy = [one.by.name for one in before if one.by.ended_at is None or one.by.ended_at > event.at]
        if busy:
            text = f"{event.firing_id} was sent by {event.by.name} while {busy[0]} was at it"
            yield _broken(story, event.at, "no needless doubles", text)
        before.append(event)


def _brought_back(story: Story) -> set[str]:
    """The firings that were claimed under two revisions, the second of which was asked for before a record."""
    recorded: dict[str, int] = {}
    for event in story.recorded:
        if event.after.tried:
            recorded.setdefault(event.firing_id, event.at)
    began = {span.standing.rev: span.asked for span in spans(story)}
    found, revs = set[str](), dict[str, int]()
    for claim in story.claims:
        name = firing_id(story.ref, claim.due_at)
        first = revs.setdefault(name, claim.rev)
        if first != claim.rev and began.get(claim.rev, 0) <= recorded.get(name, claim.at):
            found.add(name)
    return found


def doubles(story: Story) -> int:
    """How many calls were one too many, excused or not."""
    attempts = {(event.firing_id, len(event.known.attempts) if event.known else 0) for event in story.sent}
    return len(story.sent) - len(attempts)


def every_call_has_its_firing_s_name(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """The id is that of a due time that was claimed, or of a run beside the schedule."""
    del bounds
    named = {firing_id(story.ref, claim.due_at) for claim in story.claims}
    named |= {event.firing_id for event in story.recorded if event.after.job_rev == BESIDE}
    for event in story.sent:
        if event.firing_id not in named:
            yield _broken(story, event.at, "one id for one firing", f"nobody knows {event.firing_id}")


def tenants_do_not_mix(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """All that a call carries is of its own account."""
    del bounds
    for event in story.sent:
        if event.owners != {story.ref.account_id}:
            yield _broken(story, event.at, "tenants do not see each other", f"{sorted(event.owners)}")


def cancelled_is_cancelled(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """What is claimed stood there: the job was active and due just then."""
    for event in story.stood:
        before, after = event.before, event.after
        if is_claim(event) and before and after and after.claim:
            stood = before.state is JobState.ACTIVE and before.due_at == after.claim.due_at
            if not stood or before.rev != after.rev:
                text = (
                    f"due at {bounds.at(after.claim.due_at) / 1000} was claimed by {event.by.name} from {before.state}"
                )
                yield _broken(story, event.at, "cancelled is cancelled", text)


def retries_are_cancelled_too(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """No retry is claimed by who came after the job was changed."""
    del bounds
    for event in story.recorded:
        before, after = event.before, event.after
        if before and before.retry_at and after.claim and after.retry_at is None and after.job_rev != BESIDE:
            standing = story.standing(event.by.began_at)
            if standing is None or standing.rev != after.job_rev:
                text = f"a retry of {event.firing_id} was claimed by {event.by.name}"
                yield _broken(story, event.at, "cancelled is cancelled", text)


def what_is_answered_is_done(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """A user who was told so can rely on it."""
    for event in story.answered:
        if not _done(story, event, bounds):
            yield _broken(story, event.at, "answered is done", event.what)


def _done(story: Story, event: Answered, bounds: Bounds) -> bool:
    meanwhile = [story.standing(event.asked_at), *(one.after for one in _within(story, event))]
    match event.what:
        case Asked.PAUSE:
            return any(one and one.state is JobState.PAUSED for one in meanwhile)
        case Asked.DELETE:
            return None in meanwhile
        case Asked.RUN:
            return _was_run(story, event, bounds)
    return any(meanwhile)


def _was_run(story: Story, event: Answered, bounds: Bounds) -> bool:
    if bounds.owed_by(event.at) >= bounds.end or any(sent.firing_id == event.firing_id for sent in story.sent):
        return True
    record = story.records.get(event.firing_id)
    return record is not None and record.state in NOT_SENT


def _within(story: Story, event: Answered) -> Sequence[Stood]:
    return [one for one in story.stood if event.asked_at <= one.at <= event.at]


def on_time(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """In good weather a firing is sent in its second, and never early by more than clocks differ."""
    firsts: dict[str, int] = {}
    for event in story.sent:
        firsts.setdefault(event.firing_id, event.at)
    for claim in story.claims:
        sent = firsts.get(firing_id(story.ref, claim.due_at))
        if sent is None:
            continue
        late = sent - max(bounds.at(claim.due_at), claim.stood_since)
        if bounds.punctual(claim.stood_since) and late > bounds.scenario.late:
            yield _broken(story, sent, "on time", f"{late} ms late")
        if sent < bounds.at(claim.due_at) - 2 * bounds.scenario.weather.skew:
            yield _broken(story, sent, "on time", f"{bounds.at(claim.due_at) - sent} ms early")


def nothing_is_left_behind(story: Story, bounds: Bounds) -> Iterator[Broken]:
    """At the end a record waits only for what is still to come."""
    for name, record in story.records.items():
        if record.final or bounds.owed_by(_last_touched(story, name)) >= bounds.end:
            continue
        if record.retry_at is None or bounds.owed_by(bounds.at(record.retry_at)) < bounds.end:
            yield _broken(story, bounds.end, "nothing is left behind", _waiting(name, record))


def _waiting(name: str, record: Execution) -> str:
    held = f"claimed by {record.claim.nonce}" if record.claim else "unclaimed"
    return f"{name} waits since attempt {len(record.attempts)}, {held}"


def _last_touched(story: Story, name: str) -> int:
    return max(event.at for event in story.recorded if event.firing_id == name)


def _broken(story: Story, at: int, promise: str, text: str) -> Broken:
    return Broken(at=at, promise=promise, ref=story.ref, text=text)


PROMISES: Final[Sequence[Rule]] = (
    every_due_time_is_claimed,
    every_claim_is_attempted,
    what_is_recorded_was_done,
    nothing_is_sent_twice_that_need_not_be,
    every_call_has_its_firing_s_name,
    tenants_do_not_mix,
    cancelled_is_cancelled,
    retries_are_cancelled_too,
    what_is_answered_is_done,
    on_time,
    nothing_is_left_behind,
)
