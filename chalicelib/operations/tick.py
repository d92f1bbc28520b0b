"""The tick: read, send, remember. Once a minute; a tick up to a minute late delays nothing.

Each shard has a watermark W. The tick reads the entries in [W, M + 2 min), sends a message for each, and only when
every one was taken moves W. So an entry is read once, a tick that dies half-way is read again, and the tick after an
outage covers the whole gap, as far as its time allows. The nominal minute M comes from the event, never from the clock.

The sweep looks for what neither lane brought home: an entry is sent again when its age crosses 5, 15, 45 and 135
minutes, and at each full hour when it is older still; never while the queue itself is behind, because then its message
is only waiting.

Last it counts what is overdue: due five minutes ago and still in the index, so not fired. Zero is the proof that
everything due was fired; the count is a lower bound, and unknown while the store is away.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chalicelib.ports import Depth, Services, Watermarks
from chalicelib.scheduling.claiming import REACH, floor_to_minute
from chalicelib.scheduling.errors import Unavailable

BEGINNING = datetime.fromtimestamp(0, UTC)
MINUTE = timedelta(minutes=1)
AGES = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 45, 135))
OVERDUE = AGES[0]
SCANNERS = 8
TRIES = 5

Range = tuple[int, datetime, datetime]  # shard, since, end


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What was done with one range of one shard: all before `mark` was sent; whole: the range is done with."""

    shard: int
    mark: datetime
    sent: int
    whole: bool


def tick(services: Services, minute: datetime, *, until: datetime) -> int:
    """Sends all that is due before `minute` + 2 min and returns how many messages; begins no page after `until`."""
    minute, began = floor_to_minute(minute), services.clock.now()
    before = services.next_fires.watermarks()
    shards = sorted({*services.next_fires.shards(), *before.marks})  # a smaller setting leaves entries in old shards
    scans = _scan(
        services,
        [(shard, before.marks.get(shard, BEGINNING), minute + REACH) for shard in shards],
        until=until,
    )
    depth = services.queue.depth()
    swept, again = _sweep(services, minute, shards, before=before, depth=depth, until=until)
    sent, resent = (sum(one.sent for one in some) for some in (scans, again))
    marks = {one.shard: one.mark for one in scans}
    _remember(services, before, Watermarks(marks=marks, swept=swept, backlog=depth.visible, sent=sent + resent))
    unfinished = sum(not one.whole for one in (*scans, *again))
    services.events.emit(
        "tick",
        minute=minute.isoformat(),
        sent=sent,
        resent=resent,
        backlog=depth.visible,
        unfinished=unfinished,
        overdue=_overdue(services, shards, minute - OVERDUE, until=until),
        took_ms=round((services.clock.now() - began).total_seconds() * 1000),
    )
    return sent + resent


def _scan(services: Services, ranges: Sequence[Range], *, until: datetime) -> Sequence[Scan]:
    with ThreadPoolExecutor(SCANNERS) as pool:
        return list(pool.map(lambda one: _send_range(services, *one, until=until), ranges))


def _send_range(services: Services, shard: int, since: datetime, end: datetime, *, until: datetime) -> Scan:
    sent, mark = 0, since
    try:
        for page in services.next_fires.due(shard, since=since, until=end):
            left = services.queue.send(page, now=services.clock.now())
            sent += len(page) - len(left)
            mark = max([mark, *(one.due_at for one in page[-1:])])
            if left:
                mark = min(one.due_at for one in left)
            if left or services.clock.now() >= until:
                return Scan(shard=shard, mark=mark, sent=sent, whole=False)
    except Unavailable:
        return Scan(shard=shard, mark=mark, sent=sent, whole=False)
    return Scan(shard=shard, mark=max(mark, end), sent=sent, whole=True)


def _overdue(services: Services, shards: Sequence[int], before: datetime, *, until: datetime) -> int | None:
    """Entries due before then, in the shards that could be counted by `until`; None where that was none of them."""

    def count(shard: int) -> int | None:
        try:
            return services.next_fires.overdue(shard, before) if services.clock.now() < until else None
        except Unavailable:
            return None

    with ThreadPoolExecutor(SCANNERS) as pool:
        counts = [one for one in pool.map(count, shards) if one is not None]
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
    if behind(before, depth):
        return before.swept, []
    since = before.swept or minute - MINUTE
    ranges = [(shard, since - age, minute - age) for age in AGES for shard in shards]
    if minute.minute == 0:  # a job may be made with a time long past: no age is ever crossed by it
        ranges += [(shard, BEGINNING, minute - AGES[-1]) for shard in shards]
    scans = _scan(services, ranges, until=until)
    return (max(since, minute) if all(one.whole for one in scans) else before.swept), scans


def behind(before: Watermarks, depth: Depth) -> bool:
    """Whether messages wait longer than half a minute, by what the queue lost since the last tick. In doubt, yes."""
    if depth.visible == 0:
        return False
    if before.backlog is None:
        return True
    drained = before.backlog + before.sent - depth.visible
    return depth.visible > drained / 2


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
