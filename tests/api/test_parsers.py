"""Whatever comes in, a reader gives a value or says no in our own words, and the work it does is bounded.

Work is counted in lines of Python where that says something, and in the process's own CPU time where the work is done
in C: neither hangs on what else the machine is doing.
"""

import inspect
import re
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.api import documents, fields, http, xml
from chalicelib.api.accept import best
from chalicelib.api.http import MAX_BODY, Request
from chalicelib.delivery.queue import decode
from chalicelib.scheduling.errors import Invalid
from tests.api.parsers import FORM, JSON, MODULES, PARSERS, XML

REFUSES = re.compile(r"\bInvalid\b|Raises TooLarge")
MOST_LINES = 300_000
LONGEST_REFUSAL = 4096  # characters
MOST_SECONDS = 2.0  # of CPU; what is slow by its shape takes minutes


class TooMuch(BaseException):
    """A reader works on and on; no `except Exception` catches it."""


def refusal_of(read: Callable[[], object]) -> Invalid | None:
    """How a reader says no; any other error is one of the test."""
    try:
        read()
    except Invalid as refusal:
        return refusal
    return None


def counted(read: Callable[[Any], object], given: object) -> int:
    """How many lines of Python a reader runs for an input, whatever it answers with. Raises TooMuch."""
    lines = 0

    def trace(_frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal lines
        lines += event == "line"
        if lines > MOST_LINES:
            raise TooMuch(f"{lines} lines for {given!r:.200}")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        refusal_of(lambda: read(given))
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("name", PARSERS)
def test_t26_to_t35_any_input_gives_a_value_or_an_error_of_ours_in_bounded_work(name: str) -> None:
    parser = PARSERS[name]

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(parser.inputs)
    def reads(given: object) -> None:
        refusal = refusal_of(lambda: parser.read(given))
        assert refusal is None or all(problem.text for problem in refusal.problems)
        assert len(str(refusal)) < LONGEST_REFUSAL

    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(parser.inputs)
    def works(given: object) -> None:
        counted(parser.read, given)

    reads()
    works()


def test_every_reader_that_says_what_it_refuses_is_tried() -> None:
    saying = {
        f"{name}.{function}"
        for name, module in MODULES.items()
        for function, value in inspect.getmembers(module, callable)
        if not function.startswith("_")
        and not inspect.isclass(value)
        and getattr(value, "__module__", "") == module.__name__
        and REFUSES.search(inspect.getdoc(value) or "")
    }
    tried = {one for parser in PARSERS.values() for one in parser.covers}
    assert saying - {"zones.zone_named"} == tried  # a zone is tried through a cron job in it


def test_work_without_an_end_is_noticed() -> None:
    def endless(_given: object) -> None:
        while True:
            pass

    with pytest.raises(TooMuch):
        counted(endless, "")


def body(raw: bytes, content_type: str) -> Request:
    return Request(method="POST", path="/", headers={"content-type": [content_type]}, body=raw)


def as_xml(raw: bytes) -> Callable[[], object]:
    return lambda: xml.read(raw, root="job")


def as_document(raw: bytes, media: str) -> Callable[[], object]:
    return lambda: documents.texts_in(body(raw, media), ["data"], root="job")


def as_fields(raw: bytes, media: str) -> Callable[[], object]:
    return lambda: fields.body_fields(body(raw, media), ["data"])


def filled(start: bytes, part: bytes, end: bytes = b"") -> bytes:
    """A body of the most bytes there may be."""
    return start + part * ((MAX_BODY - len(start) - len(end)) // len(part)) + end


HUGE: dict[str, Callable[[], object]] = {
    "XML: elements in elements": as_xml(filled(b"", b"<a>")),
    "XML: children in a root": as_xml(filled(b"<job>", b"<a/>", b"</job>")),
    "XML: 100k attributes": as_xml(b"<job " + b" ".join(b'a%d=""' % n for n in range(80_000)) + b"/>"),
    "XML: text in pieces": as_xml(filled(b"<job><data>", b"a<!---->", b"</data></job>")),
    "XML: character references": as_xml(filled(b"<job><data>", b"&#13;", b"</data></job>")),
    "XML: CDATA after CDATA": as_xml(filled(b"<job><data>", b"<![CDATA[a]]>", b"</data></job>")),
    "XML: instructions": as_xml(filled(b"<job><data>", b"a<?a?>", b"</data></job>")),
    "XML: a long name": as_xml(filled(b"<", b"a")),
    "JSON: lists in lists": as_fields(filled(b"", b"["), JSON),
    "JSON: objects in objects": as_fields(filled(b"", b'{"":'), JSON),
    "JSON: one number": as_fields(filled(b'{"data":', b"9", b"}"), JSON),
    "JSON: a fraction": as_fields(filled(b'{"data":0.', b"9", b"}"), JSON),
    "JSON: many names": as_fields(b"{" + b",".join(b'"%d":0' % n for n in range(90_000)) + b"}", JSON),
    "JSON: escapes": as_fields(filled(b'{"data":"', b"\\ud83d\\ude00", b'"}'), JSON),
    "JSON: a string without an end": as_document(filled(b'{"data":"', b"\\\\"), JSON),
    "JSON: commas": as_document(filled(b'{"data":', b","), JSON),
    "JSON: commas and blanks": as_document(filled(b"[", b",  \n  "), JSON),
    "JSON: a comma and blanks": as_document(filled(b"[,", b" "), JSON),
    "JSON: quotes": as_document(filled(b"[", b'"'), JSON),
    "a form of 500,000 fields": as_fields(filled(b"", b"a&"), FORM),
    "a form of one field": as_fields(filled(b"data=", b"%41"), FORM),
    "a form of percent signs": as_fields(filled(b"data=", b"%"), FORM),
    "an XML charset of 1 MB": as_document(b"<job/>", XML + ";" + " charset" * 130_000),
    "blanks for a charset": as_document(b"<job/>", XML + ";" + " " * MAX_BODY),
    "semicolons for a charset": as_document(b"<job/>", XML + "; " * (MAX_BODY // 2)),
    "a time of digits": lambda: fields.moment("1" * MAX_BODY, "when"),
    "a time of Ts": lambda: fields.moment("T1" * (MAX_BODY // 2), "when"),
    "a time of blanks": lambda: fields.moment("1" + " " * MAX_BODY + "1", "when"),
    "a time of blanks and digits": lambda: fields.moment(" 1" * (MAX_BODY // 2) + "x", "when"),
    "an Accept of commas": lambda: best("," * MAX_BODY, documents.DOCUMENTS),
    "an Accept of parameters": lambda: best("a/b" + ";q=1" * (MAX_BODY // 4), documents.DOCUMENTS),
    "a message of lists": lambda: decode("[" * MAX_BODY),
    "a message of digits": lambda: decode("9" * MAX_BODY),
}


@pytest.mark.parametrize("name", HUGE)
def test_t26_t28_t29_a_body_as_large_as_may_be_is_read_or_refused_at_once(name: str) -> None:
    began = time.process_time()
    refusal = refusal_of(HUGE[name])
    assert len(str(refusal)) < LONGEST_REFUSAL
    assert time.process_time() - began < MOST_SECONDS


@given(st.integers(1, 3))
def test_t34_what_is_larger_is_never_read(more: int) -> None:
    event = {"requestContext": {"httpMethod": "POST", "path": "/"}, "body": "a" * (MAX_BODY + more)}
    with pytest.raises(Invalid, match="at most"):
        http.request_of(event)
