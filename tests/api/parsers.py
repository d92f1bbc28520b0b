"""Every reader of what comes from outside, with inputs that look like its own: the table that the tests go through.

A reader gives a value, or an error of ours; where it says so, None. A new one whose docstring names its refusals and
that is not in the table fails a test.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from chalicelib import signing
from chalicelib.api import accept, documents, fields, http, ndscheduler_bodies, runlater, xml
from chalicelib.api.dialects import cronally, job_scheduler, ndscheduler, rlatr
from chalicelib.api.http import Request
from chalicelib.delivery import queue
from chalicelib.scheduling import (
    address,
    apscheduler,
    interval,
    quartz,
    schedule,
    topic_rules,
    unix,
    zones,
)
from tests.world import START

JSON, XML, FORM = "application/json", "text/xml", "application/x-www-form-urlencoded"
TYPES = (
    JSON,
    XML,
    FORM,
    "text/plain",
    "application/xml; charset=utf-16",
    "",
    "Application/JSON; charset=latin-1",
    "a/b",
)
NAMES = ("url", "when", "cron", "data")
CRON = "0123456789 */,-?LW#@_HR()abcdefghijmnoprstuvwyJANFRI\t"
TIME = "0123456789-:.,TtZz+ WQ"
URL = "htps:/[]@%?#.0x123456789abcdefé\\ \t\n。\uff11"
WORDS = "0123456789 .-e" + "secondminuthrdaywk"
HOSTILE = "\0\x01\r\n\t\x7f\x85\u2028\ud800\ufeff\u0661\uff11é"


@dataclass(frozen=True)
class Parser:
    """A reader and what to try it with. `covers`: the functions that say what they refuse and are tried by it."""

    read: Callable[[Any], object]
    inputs: st.SearchStrategy[Any]
    covers: tuple[str, ...] = ()


def words(alphabet: str, *examples: str) -> st.SearchStrategy[str]:
    """Any text, texts of the right letters, and what is known to be right with something wrong in it."""
    letters = st.sampled_from(sorted({*alphabet, *HOSTILE}))
    known = [st.builds(_broken, st.sampled_from(examples), st.integers(0, 200), st.text(letters, max_size=3))]
    return st.one_of(st.text(), st.text(letters, max_size=300), *(known if examples else []))


def _broken(text: str, place: int, other: str) -> str:
    place %= len(text) + 1
    return text[:place] + other + text[place + 1 :]


def raw(*examples: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, and documents that are known to be right with a few bytes changed."""

    def broken(known: bytes, place: int, other: bytes) -> bytes:
        return known[: place % (len(known) + 1)] + other + known[place % (len(known) + 1) + len(other) :]

    changed = st.builds(broken, st.sampled_from(examples), st.integers(0, 500), st.binary(max_size=4))
    return st.one_of(st.binary(), changed)


def sent(body: st.SearchStrategy[bytes]) -> st.SearchStrategy[Request]:
    """A body under any content type, and sometimes under two."""
    types = st.lists(st.one_of(st.sampled_from(TYPES), words("charset=;/ \"'-utf8")), max_size=2)
    headers = st.builds(lambda values: {"content-type": values}, types)
    return st.builds(Request, method=st.just("POST"), path=st.just("/"), headers=headers, body=body)


DOCUMENTS = (
    b'{"url": "https://example.com", "cron": "0 15 10 ? * *",}',
    b'<?xml version="1.0" encoding="utf-8"?><job><url>a</url><data><![CDATA[<x>]]></data></job>',
    b"url=https%3A%2F%2Fexample.com&when=2030-01-01T00:00:00+02:00",
    "<job><url>\u00e9</url></job>".encode("utf-16"),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words(WORDS, "1 day"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words(WORDS), inner, max_size=4),
    max_leaves=8,
)
triggers = st.fixed_dictionaries(
    {},
    optional={
        "trigger": st.sampled_from(["cron", "interval", "date"]) | values,
        "trigger_params": values
        | st.dictionaries(st.sampled_from([*apscheduler.NAMES, "interval", "run_date"]), values | words(CRON, "*/5")),
        "minute": values,
    },
)
pairs = st.lists(st.tuples(words("abcHost-_:", "X-A", "Host"), words("abc \t,", "v")), max_size=60)
headers_of_a_job = st.dictionaries(words("abc-", "X-A"), values, max_size=5)
queries = st.dictionaries(
    st.sampled_from(["job_id", "time_range_start", "uri"]), st.lists(words(TIME, "2030-01-01T00:00:00Z"), max_size=3)
)
events = st.fixed_dictionaries(
    {"requestContext": st.just({"httpMethod": "POST", "path": "/api/x"})},
    optional={
        "body": st.none() | words(WORDS) | raw(b"eA=="),
        "isBase64Encoded": st.booleans(),
        "multiValueHeaders": st.none() | st.dictionaries(words("abc-"), st.lists(words(WORDS), max_size=40)),
        "headers": st.none() | st.dictionaries(words("abc-"), words(WORDS)),
        "pathParameters": st.none() | st.dictionaries(words("ref"), words(URL)),
    },
)


def asked(query: Mapping[str, list[str]]) -> Request:
    return Request(method="GET", path="/", query=query)


def headed(name: str) -> Callable[[list[str]], Request]:
    return lambda given: Request(method="GET", path="/", headers={name: given})


def fires(cron: schedule.Cron) -> object:
    """The first two firings, and how close they come: what every creation asks."""
    first = cron.next_after(START)
    return first and (cron.next_after(first), schedule.smallest_gap(cron))


def spelled(spelling: schedule.Spelling) -> Callable[[str], object]:
    return lambda text: fires(schedule.Cron(expression=text, spelling=spelling))


def everyday(given: object) -> object:
    read = interval.scheduled(START, interval.read_interval(given))
    return read.next_after(START), read.next_after(START + timedelta(days=365 * 1000))


def topic(given: Sequence[str]) -> object:
    topic_rules.check_topic(given[0], given[1], given[2])
    return given


PARSERS: Mapping[str, Parser] = {
    "XML": Parser(lambda body: xml.read(body, root="job"), raw(*DOCUMENTS), ("xml.read",)),
    "XML in a stated encoding": Parser(
        lambda pair: xml.read(pair[1], root="job", encoding=pair[0]),
        st.tuples(st.sampled_from([*xml.ENCODINGS, "utf-7", "rot13", "idna", "x"]), raw(*DOCUMENTS)),
    ),
    "JSON": Parser(fields.json_object, sent(raw(*DOCUMENTS))),
    "JSON or a form": Parser(lambda request: fields.body_fields(request, NAMES), sent(raw(*DOCUMENTS))),
    "JSON or XML": Parser(
        lambda request: documents.texts_in(request, NAMES, root="job"), sent(raw(*DOCUMENTS)), ("documents.texts_in",)
    ),
    "a query": Parser(lambda query: fields.query_fields(asked(query), ["job_id", "uri"]), queries),
    "a time range": Parser(lambda query: ndscheduler.time_range(asked(query), now=START), queries),
    "an event of the gateway": Parser(http.request_of, events, ("http.request_of",)),
    "a body in base64": Parser(
        lambda body: http.request_of({"body": body, "isBase64Encoded": True, **EVENT}), words("ABCabc+/=\n ", "eA==")
    ),
    "the time in a path": Parser(job_scheduler.timing, words(TIME + "%+", "0+15+10+%3F+*+*", "2030-01-01T00%3A00Z")),
    "the callback in a path": Parser(job_scheduler.callback, words(URL, "https%3A%2F%2Fexample.com", "http:/x.y")),
    "an Accept header": Parser(
        lambda text: accept.best(text, documents.DOCUMENTS), words("a/*;q=0.1, x+-", "text/xml;q=.5, application/json")
    ),
    "Unix cron": Parser(spelled(schedule.Spelling.UNIX), words(CRON, "*/5 0-6 1,15 jan-mar sun"), ("unix.parse",)),
    "Quartz cron": Parser(
        spelled(schedule.Spelling.QUARTZ),
        words(CRON, "0 15 10 ? * FRI#2", "0/5 0 22-2 L-3W * ? 2030", "0 0 12 LW * *"),
        ("quartz.parse",),
    ),
    "APScheduler's cron": Parser(
        spelled(schedule.Spelling.APSCHEDULER),
        words(CRON, "* * last * * 0 0 0", "2030 */2 3rd_fri 53 mon-fri 1 2 3"),
        ("apscheduler.parse",),
    ),
    "APScheduler's fields": Parser(
        apscheduler.expression,
        st.dictionaries(st.sampled_from([*apscheduler.NAMES, "x"]), words(CRON, "*/5", "3rd fri")),
        ("apscheduler.expression",),
    ),
    "a zone": Parser(
        lambda name: schedule.Cron(expression="* * * * *", zone=name), words("ABCabc/_+-1", "Europe/Rome")
    ),
    "the words of an interval": Parser(
        everyday, words(WORDS, "2 hours 30 minutes", "1 month"), ("interval.read_interval", "interval.scheduled")
    ),
    "the map of an interval": Parser(
        everyday,
        values | st.dictionaries(st.sampled_from(interval.UNITS), st.integers(-1, 10**10) | values, max_size=7),
    ),
    "a time": Parser(
        lambda text: fields.moment(text, "when"),
        words(TIME, "2026-07-26T20:34:56-05:00", "9999-12-31T23:59:59-23:59"),
        ("fields.moment",),
    ),
    "RunLater's time": Parser(runlater.read_when, words(TIME, "0001-01-01T00:00:00+14:00"), ("runlater.read_when",)),
    "rlatr's time": Parser(
        lambda text: rlatr.once(fields.moment(text, "at"), before=schedule.Once(at=START), now=START), words(TIME)
    ),
    "Cronally's date": Parser(lambda text: cronally.is_current(text, START), words("0123456789\u0661", "202611221200")),
    "ndscheduler's body": Parser(
        ndscheduler_bodies.document_in, sent(raw(b'{"name": "x", "pub_args": [1, {"a": null}]}')), ()
    ),
    "ndscheduler's triggers": Parser(lambda given: ndscheduler_bodies.schedule_in(given, now=START), triggers),
    "RunLater's headers": Parser(runlater.read_headers, values | headers_of_a_job, ("runlater.read_headers",)),
    "RunLater's document": Parser(
        lambda given: runlater.limited(given, {"name": 10, "url": 20}),
        st.dictionaries(st.sampled_from(["name", "url"]), values),
        ("runlater.limited",),
    ),
    "RunLater's key header": Parser(
        lambda given: runlater.header(headed("runlater_key")(given), "key"),
        st.lists(words(WORDS), max_size=3),
        ("runlater.header",),
    ),
    "a URL": Parser(
        address.read_url,
        words(URL, "https://example.com:8443/a?b#c", "http://[2606:2800::1]/"),
        ("address.check_url", "address.read_url"),
    ),
    "headers to send": Parser(lambda given: address.check_headers(given, field="headers"), pairs),
    "a topic": Parser(
        topic,
        st.tuples(
            words("arn:aws-sns:1234567890", "arn:aws:sns:us-east-1:123456789012:topic"),
            words("us-east-1", "us-east-1"),
            words(WORDS, "message"),
        ),
        ("topic_rules.check_topic",),
    ),
    "Basic credentials": Parser(
        lambda given: fields.basic_credentials(headed("authorization")(given)),
        st.lists(words("Basic ABCabc+/=:", "Basic YTpi"), max_size=2),
    ),
    "base64": Parser(signing.unb64, words("ABCabc+/=\n ", "eA==")),
    "hex": Parser(signing.unhex, words("0123456789abcdefABCDEF", "00ff")),
    "the body of a message": Parser(
        queue.decode,
        words('{}[]":,0123456789abjvdr', '{"v": 1, "a": "x", "f": "00ff", "d": 1700000000000, "r": 1}')
        | st.builds(json.dumps, st.fixed_dictionaries(dict.fromkeys("vafdr", values))),
    ),
}
EVENT: Mapping[str, object] = {"requestContext": {"httpMethod": "POST", "path": "/"}}
MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        *(accept, documents, fields, http, ndscheduler_bodies, runlater, xml),
        *(address, apscheduler, interval, quartz, schedule, topic_rules, unix, zones),
    )
}
