"""What was promised, checked against what happened.

As in Jepsen's checker for Chronos, every due time is a target, and each must be met by an attempt of its own. There
the runs bear no name, so targets and runs are matched greedily by time; here an attempt bears its firing's id, which is
made from the job and the due time alone, so the match is exact. The due times are counted out from the schedule, in
each span of time in which it stood: what a late claim coalesced is skipped as the misfire policy says, what an edit, a
pause or a delete cancelled is not owed.

A second attempt is excused by the end of the first one's process without a record, and by nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.scheduling.execution import Execution
from chalicelib.scheduling.job import JobRef, JobState, Standing
from tests.simulation.cloud import MILLISECOND
from tests.simulation.history import Answered, Event, History, Recorded, Sent, Stood, name_of
from tests.simulation.weather import MINUTE, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A promise that was not kept, and when."""

    at: int
    promise: str
    ref: JobRef
    text: str

    def __str__(self) -> str:
        return f"{self.promise}: {name_of(self.ref)} at {self.at / 1000:.3f}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Until when what was owed. All in milliseconds since the beginning."""

    beginning: datetime
    end: int
    scenario: Scenario

    def at(self, moment: datetime) -> int:
        """A moment on the time line."""
        return (moment - self.beginning) // MILLISECOND

    def owed_by(self, moment: int) -> int:
        """By when what fell due then must have been attempted, whatever went wrong."""
        return self._well_from(moment) + self.scenario.healed

    def punctual(self, moment: int) -> bool:
        """Whether what was written then has to be on time: whoever began in bad weather may still die of it."""
        return self.scenario.punctual or moment >= self.scenario.bad + MINUTE

    def _well_from(self, moment: int) -> int:
        return moment if self.scenario.punctual else max(moment, self.scenario.bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A firing that was claimed: when, by the claimant's clock, and since when its due time had stood there."""

    at: int
    due_at: datetime
    claimed_at: datetime
    stood_since: int
    rev: int


@dataclass(slots=True)
class Story:
    """All that happened to one job, each kind in order."""

    ref: JobRef
    stood: list[Stood] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """In its place."""
        match event:
            case Stood():
                self.stood.append(event)
            case Recorded():
                self.recorded.append(event)
            case Sent():
                self.sent.append(event)
            case Answered():
                self.answered.append(event)

    @property
    def records(self) -> Mapping[str, Execution]:
        """As they stood at the end, by firing."""
        return {event.firing_id: event.after for event in self.recorded}

    @property
    def claims(self) -> Sequence[Claimed]:
        """Every firing of the schedule that was claimed."""
        found, since = [], 0
        for event in self.stood:
            if is_claim(event) and event.after and event.after.claim:
                claim = event.after.claim
                found.append(
                    Claimed(
                        at=event.at,
                        due_at=claim.due_at,
                        claimed_at=claim.claimed_at,
                        stood_since=since,
                        rev=event.after.rev,
                    )
                )
            if event.after and (event.before is None or event.before.due_at != event.after.due_at):
                since = event.at
        return found

    def changed_after(self, moment: int, rev: int) -> bool:
        """Whether the job was edited, paused, resumed or deleted since."""
        return any(event.at >= moment and (event.after is None or event.after.rev != rev) for event in self.stood)

    def standing(self, moment: int) -> Standing | None:
        """How it stood then."""
        return next((event.after for event in reversed(self.stood) if event.at <= moment), None)


def is_claim(event: Stood) -> bool:
    """Whether a write was the claim of a firing, and no taking over of one: the job moves on with it."""
    before, after = event.before, event.after
    if before is None or after is None or after.claim is None or after.claim == before.claim:
        return False
    held = before.claim
    return held is None or held.due_at != after.claim.due_at or before.due_at != after.due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time in which one revision of a job was active. `first`: what it was due at first; `until`: None at the end.

    `asked`: when who wrote it began to, `since`: when it was written.
    """

    standing: Standing
    first: datetime
    asked: int
    since: int
    until: int | None


def spans(story: Story) -> Iterator[Span]:
    """The active ones."""
    begun: Stood | None = None
    for event in story.stood:
        rev = event.after.rev if event.after else 0
        if begun and begun.after and rev != begun.after.rev:
            yield from _span(begun, event.at)
            begun = None
        if begun is None and event.after and event.after.state is JobState.ACTIVE:
            begun = event
    if begun:
        yield from _span(begun, None)


def _span(begun: Stood, until: int | None) -> Iterator[Span]:
    if begun.after and begun.after.due_at:
        yield Span(standing=begun.after, first=begun.after.due_at, asked=begun.by.began_at, since=begun.at, until=until)


Rule = Callable[[Story, Bounds], Iterator[Broken]]


def stories_of(history: History) -> Sequence[Story]:
    """One for each job."""
    stories: dict[JobRef, Story] = {}
    for event in history.events:
        stories.setdefault(event.ref, Story(event.ref)).add(event)
    return list(stories.values())


def judged(stories: Sequence[Story], bounds: Bounds, rules: Sequence[Rule]) -> list[Broken]:
    """All that is broken, the first first."""
    broken = [one for story in stories for rule in rules for one in rule(story, bounds)]
    return sorted(broken, key=lambda one: (one.at, one.promise, name_of(one.ref), one.text))
