"""What is seen of a scenario: the sink's arrivals, and the lines of the engine's log."""

from pathlib import Path

import pytest

from benchmarks.chaos.sink import SLOW, Arrivals, Manner, header
from benchmarks.chaos.witness import told

HEAD = b"POST /prompt/1 HTTP/1.1\r\nHost: x\r\nWebhook-Id: 01abc\r\nwebhook-id-2: no\r\n\r\nwebhook-id: body"
BEFORE = "2026-11-22 12:00:00,000 belltower.functions INFO belltower-dev-Deliver 1-2-3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(b"webhook-id", "01abc", id="in any case of letters"),
        pytest.param(b"host", "x", id="the first one"),
        pytest.param(b"webhook", "", id="not by the start of its name"),
        pytest.param(b"none", "", id="nothing"),
    ],
)
def test_the_sink_reads_a_header(name: bytes, value: str) -> None:
    assert header(HEAD, name) == value


@pytest.mark.parametrize(
    ("manner", "statuses", "pause"),
    [
        pytest.param(Manner.PROMPT, [b"200", b"200"], 0.0, id="at once"),
        pytest.param(Manner.SLOW, [b"200", b"200"], SLOW, id="after a while"),
        pytest.param(Manner.FAILS_ONCE, [b"503", b"200"], 0.0, id="no, then yes"),
    ],
)
def test_the_sink_answers_in_the_manner_of_the_path(manner: Manner, statuses: list[bytes], pause: float) -> None:
    arrivals = Arrivals()
    arrivals.note("another", manner, 0.0)
    answers = [arrivals.note("firing", manner, at) for at in (1.0, 2.0)]
    assert [(answer.split()[1], seconds) for answer, seconds in answers] == [(one, pause) for one in statuses]
    assert arrivals.all == [("another", 0.0), ("firing", 1.0), ("firing", 2.0)]


def test_the_log_tells_which_firings_were_spoken_of_and_which_records_were_refused(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_text(f'{BEFORE} {{"event": "fired", "firing": "a"}}\n')
    (tmp_path / "log").write_text(
        f'{BEFORE} {{"event": "left", "firing": "b", "why": "unrecorded"}}\n'
        f'{BEFORE} {{"event": "left", "firing": "b", "why": "unrecorded"}}\n'
        f'{BEFORE} {{"event": "left", "firing": "c", "why": "busy"}}\n'
        f'{BEFORE} {{"event": "unproved", "firing": "e", "given_back": "True"}}\n'
        f'{BEFORE} {{"event": "tick", "sent": 3}}\n'
        f'{BEFORE} {{"event": "fired", "firi\n'
        f"{BEFORE} Traceback\n"
        '2026-11-22 12:00:00,000 belltower.engine INFO {"event": "tick", "firing": "d"}\n'
    )
    found = told(tmp_path / "log")
    assert (found.spoken_of, dict(found.refused), found.ticks) == (frozenset("abce"), {"b": 2}, 1)
    assert found.given_back == frozenset("e")


def test_a_stack_that_never_ran_a_function_has_said_nothing(tmp_path: Path) -> None:
    found = told(tmp_path / "log")
    assert (found.spoken_of, dict(found.refused), found.ticks) == (frozenset(), {}, 0)
