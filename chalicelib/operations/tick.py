"""The tick: read, send, remember. Once a minute; a tick up to a minute late delays nothing.

Each shard has a watermark W. The tick reads the entries in [W, M + 2 min), sends a message for each, and only when
every one was taken moves W. So an entry is read once, a tick that dies half-way is read again, and the tick after an
outage covers the whole gap, as far as its time allows. The nominal minute M comes from the event, never from the clock.

A failing job's entry, and what an account has beyond its share of this minute, is sent by the second lane: see
`scheduling.lane`.

The sweep looks for what nobody brought home: an entry is sent again when its age crosses 5, 15, 45 and 135 minutes, and
at each full hour when it is older still. Never by a lane that is itself behind, because there its message is only
waiting: what would have to travel by that lane is held back, and the sweep looks at the same ages again until nothing
is. The share counts here too. So where one tenant's flood waits in the second lane for hours, no more than its share of
it is doubled in a minute, and what another tenant lost is sent by the first lane meanwhile.

Last it counts what is overdue: due five minutes ago and still in the index, so not fired. Zero is the proof that
everything due was fired; the count is a lower bound, and unknown while the store is away.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chalicelib.operations.express import within
from chalicelib.ports import Depth, Due, Services, Watermarks
from chalicelib.scheduling.claiming import REACH, floor_to_minute
from chalicelib.scheduling.errors import Unavailable
from chalicelib.scheduling.lane import Lane

BEGINNING = datetime.fromtimestamp(0, UTC)
MINUTE = timedelta(minutes=1)
AGES = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 45, 135))
OVERDUE = AGES[0]
SCANNERS = 8
TRIES = 5

Range = tuple[int, datetime, datetime]  # shard, since, end
Route = Callable[[Due], Due]  # gives an entry its lane
OPEN = frozenset(Lane)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What was done with one range of one shard: all before `mark` was sent; whole: the range is done with.

    `held`: how many entries stay for another time, because their lane is behind.
    """

    shard: int
    mark: datetime
    sent: Mapping[Lane, int]
    whole: bool
    held: int = 0


def tick(services: Services, minute: datetime, *, until: datetime) -> int:
    """Sends all that is due before `minute` + 2 min and returns how many messages; begins no page after `until`."""
    minute, began = floor_to_minute(minute), services.clock.now()
    before = services.next_fires.watermarks()
    shards = sorted({*services.next_fires.shards(), *before.marks})  # a smaller setting leaves entries in old shards
    scans = _scan(
        services,
        [(shard, before.marks.get(shard, BEGINNING), minute + REACH) for shard in shards],
        route=lambda due: within(services.share, due, minute),
        until=until,
    )
    depth = services.queue.depth()
    swept, again = _sweep(services, minute, shards, before=before, depth=depth, until=until)
    marks, lanes = {one.shard: one.mark for one in scans}, _sent((*scans, *again))
    _remember(services, before, Watermarks(marks=marks, swept=swept, backlog=depth.lanes, sent=lanes))
    sent, resent = (sum(_sent(some).values()) for some in (scans, again))
    unfinished = sum(not one.whole for one in (*scans, *again))
    services.events.emit(
        "tick",
        minute=minute.isoformat(),
        sent=sent,
        resent=resent,
        backlog=depth.visible,
        second_lane=lanes[Lane.SECOND],
        unfinished=unfinished,
        overdue=_overdue(services, shards, minute - OVERDUE, until=until),
        took_ms=round((services.clock.now() - began).total_seconds() * 1000),
    )
    return sent + resent


def _scan(
    services: Services, ranges: Sequence[Range], *, route: Route, until: datetime, lanes: frozenset[Lane] = OPEN
) -> Sequence[Scan]:
    def send(one: Range) -> Scan:
        return _send_range(services, *one, route=route, lanes=lanes, until=until)

    return services.crew.map(send, ranges, hands=SCANNERS)


def _send_range(
    services: Services,
    shard: int,
    since: datetime,
    end: datetime,
    *,
    route: Route,
    lanes: frozenset[Lane],
    until: datetime,
) -> Scan:
    """Sends what a range holds by those of the lanes that are open."""
    scan = Scan(shard=shard, mark=since, sent={}, whole=False)
    try:
        for page in services.next_fires.due(shard, since=since, until=end):
            routed = [route(due) for due in page]
            taken = [due for due in routed if due.lane in lanes]
            left = services.queue.send(taken, now=services.clock.now())
            scan = replace(
                scan,
                mark=max([scan.mark, *(one.due_at for one in page[-1:])]),
                sent=Counter(scan.sent) + Counter(due.lane for due in taken) - Counter(due.lane for due in left),
                held=scan.held + len(routed) - len(taken),
            )
            if left:
                return replace(scan, mark=min(one.due_at for one in left))
            if services.clock.now() >= until:
                return scan
    except Unavailable:
        return scan
    return replace(scan, mark=max(scan.mark, end), whole=True)


def _sent(scans: Sequence[Scan]) -> Mapping[Lane, int]:
    """How many messages were sent by each lane."""
    return {lane: sum(one.sent.get(lane, 0) for one in scans) for lane in Lane}


def _overdue(services: Services, shards: Sequence[int], before: datetime, *, until: datetime) -> int | None:
    """Entries due before then, in the shards that could be counted by `until`; None where that was none of them."""

    def count(shard: int) -> int | None:
        try:
            return services.next_fires.overdue(shard, before) if services.clock.now() < until else None
        except Unavailable:
            return None

    counts = [one for one in services.crew.map(count, shards, hands=SCANNERS) if one is not None]
    return sum(counts) if counts else None


def _sweep(
    services: Services,
    minute: datetime,
    shards: Sequence[int],
    *,
    before: Watermarks,
    depth: Depth,
    until: datetime,
) -> tuple[datetime | None, Sequence[Scan]]:
    """How far the sweep has looked after this tick, and what it sent."""
    lanes = frozenset(lane for lane in Lane if not behind(before, depth, lane))
    if not lanes:
        return before.swept, []
    since = before.swept or minute - MINUTE
    ranges = [(shard, since - age, minute - age) for age in AGES for shard in shards]
    if minute.minute == 0:  # a job may be made with a time long past: no age is ever crossed by it
        ranges += [(shard, BEGINNING, minute - AGES[-1]) for shard in shards]
    scans = _scan(services, ranges, route=lambda due: within(services.share, due, minute), until=until, lanes=lanes)
    done = all(one.whole and not one.held for one in scans)
    return (max(since, minute) if done else before.swept or since), scans


def behind(before: Watermarks, depth: Depth, lane: Lane) -> bool:
    """Whether messages wait longer than half a minute, by what the lane lost since the last tick. In doubt, yes."""
    visible = depth.lanes.get(lane, 0)
    if visible == 0:
        return False
    if lane not in before.backlog:
        return True
    drained = before.backlog[lane] + before.sent.get(lane, 0) - visible
    return visible > drained / 2


def _remember(services: Services, before: Watermarks, seen: Watermarks) -> None:
    """Marks only move forward. Where another tick wrote meanwhile, both sent what they say: the later mark holds."""
    current = before
    for _ in range(TRIES):
        marks = {**current.marks}
        for shard, mark in seen.marks.items():
            marks[shard] = max(mark, current.marks.get(shard, BEGINNING))
        swept = max(filter(None, (seen.swept, current.swept)), default=None)
        if services.next_fires.advance(replace(seen, marks=marks, swept=swept, version=current.version)):
            return
        current = services.next_fires.watermarks()
    services.events.emit("watermark_contended", tries=TRIES)
