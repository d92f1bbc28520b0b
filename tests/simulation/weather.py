"""What may go wrong, and how often: data, by name.

Probabilities are for each call (`throttled`, `lost`, `slow`), for each part of a batch (`partly`), for each message
(`doubled`, `delayed`, `swallowed`), for each process (`killed`) and for each minute (`tick_...`). Times are in
milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """A climate. `lag`: how far behind its table an index may be; `skew`: how far a clock may be off, either way."""

    throttled: float = 0.0
    lost: float = 0.0
    slow: float = 0.0
    partly: float = 0.0
    lag: int = 50
    doubled: float = 0.0
    delayed: float = 0.0
    swallowed: float = 0.0
    killed: float = 0.0
    skew: int = 0
    tick_skipped: float = 0.0
    tick_doubled: float = 0.0
    tick_late: float = 0.0
    tick_killed: float = 0.0
    tick_skew: int = 0
    outages: int = 0
    ill_receivers: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run: bad weather for so long, then good weather until all must be healed.

    `late`: how late a firing may be sent that became due in good weather, or all the time where `punctual`. `healed`:
    how long after its time, or after the bad weather, a due time must have been attempted at the latest. `lease`: the
    worker's time-out in seconds, `receives`: after how many a message is parked.
    """

    name: str
    weather: Weather
    bad: int
    good: int
    healed: int
    late: int = 2 * SECOND
    punctual: bool = False
    lease: int = 10
    receives: int = 5
    jobs: int = 24
    changes: int = 24
    tenants: int = 3


CALM: Final = Weather()
SCENARIOS: Final[Mapping[str, Scenario]] = {
    one.name: one
    for one in (
        Scenario(name="calm", weather=CALM, bad=20 * MINUTE, good=0, healed=3 * SECOND, punctual=True),
        Scenario(
            name="ticks",
            weather=Weather(tick_doubled=0.2, tick_late=0.2, tick_killed=0.4, lag=2 * SECOND, tick_skipped=0.2),
            bad=20 * MINUTE,
            good=2 * MINUTE,
            healed=6 * SECOND,
            late=5 * SECOND,
            punctual=True,
        ),
        Scenario(
            name="deaths",
            weather=Weather(killed=0.15, tick_killed=0.2, doubled=0.1, lost=0.02, lag=2 * SECOND, skew=200),
            bad=20 * MINUTE,
            good=12 * MINUTE,
            healed=12 * MINUTE,
        ),
        Scenario(
            name="plague",
            weather=Weather(killed=0.9, lost=0.02, lag=2 * SECOND),
            bad=15 * MINUTE,
            good=12 * MINUTE,
            healed=12 * MINUTE,
            receives=2,
        ),
        Scenario(
            name="quarrel",
            weather=Weather(lost=0.04, throttled=0.04, slow=0.05, doubled=0.1, lag=2 * SECOND, skew=200),
            bad=10 * MINUTE,
            good=12 * MINUTE,
            healed=12 * MINUTE,
            jobs=30,
            changes=200,
            tenants=2,
        ),
        Scenario(
            name="storm",
            weather=Weather(
                throttled=0.08,
                lost=0.08,
                slow=0.05,
                partly=0.05,
                lag=4 * SECOND,
                doubled=0.05,
                delayed=0.05,
                swallowed=0.02,
                killed=0.08,
                skew=500,
                tick_skipped=0.15,
                tick_doubled=0.15,
                tick_late=0.15,
                tick_killed=0.15,
                tick_skew=90 * SECOND,
                outages=4,
                ill_receivers=0.5,
            ),
            bad=20 * MINUTE,
            good=50 * MINUTE,
            healed=50 * MINUTE,
        ),
    )
}
