"""What the bodies of ndscheduler's requests ask for: names, arguments, triggers. Source: seeds/004.

A part of api/dialects/ndscheduler.py in a file of its own, because the two together are longer than a file may be; the
parts of a dialect stay in theirs.

A job has a `trigger` with its `trigger_params`, or, as before version 2, the fields of cron beside its name.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.api.fields import JSON_TYPES, json_object, moment, texts
from chalicelib.api.http import Request
from chalicelib.scheduling import apscheduler
from chalicelib.scheduling.errors import Invalid, TooLarge
from chalicelib.scheduling.schedule import Cron, Every, Once, Schedule, Spelling
from chalicelib.scheduling.target import JobClass

OWN = frozenset({"job_class_string", "name", "pub_args", "trigger", "trigger_params"})
ONE_OF = ["month", "day", "hour", "minute", "day_of_week"]
ONE_REQUIRED = f'Require at least one of following parameters in "trigger_params": {ONE_OF}'
NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
LONGEST_TEXT = 255
MAX_ARGUMENTS = 32 * 1024  # bytes of JSON: they stand in the job, and in the log when it is deleted
MAX_LEVELS = 32
LONGEST_INTERVAL = 100 * 365 * 24 * 60 * 60  # seconds
GRACE = timedelta(hours=1)


class Required(Invalid):
    """Something that must be there is not: told in the original's words alone."""

    def __init__(self, text: str) -> None:
        super().__init__("", text)


def document_in(request: Request) -> Mapping[str, Any]:
    """The JSON object in the body, not deeper than can be given back."""
    if request.media_type not in JSON_TYPES:
        raise Invalid("Content-Type", "must be application/json")
    document = json_object(request)
    if not shallow(document, MAX_LEVELS):
        raise TooLarge("", f"The JSON is nested more than {MAX_LEVELS} levels deep")
    return document


def shallow(value: object, levels: int) -> bool:
    """Whether a JSON value has at most so many levels."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(shallow(one, levels - 1) for one in inner)


def fields_of(document: Mapping[str, Any]) -> frozenset[str]:
    """The names of a document's own fields: in a flat one, those of cron too."""
    return OWN if document.get("trigger") is not None else OWN | {*apscheduler.NAMES}


def named(document: Mapping[str, Any]) -> tuple[str, str]:
    """The two texts of a job: its name, and its class."""
    found = texts(document, ("job_class_string", "name"))
    for name in ("job_class_string", "name"):
        if not found.get(name):
            raise Required(f"Require this parameter: {name}")
        if len(found[name]) > LONGEST_TEXT:
            raise TooLarge(name, f"must have at most {LONGEST_TEXT} characters")
    return found["name"], found["job_class_string"]


def arguments(class_string: str, pub_args: object, kwargs: str) -> JobClass:
    """The target of a job."""
    if not isinstance(pub_args, list | None):
        raise Invalid("pub_args", "must be a list")
    target = JobClass(class_string=class_string, args=json.dumps(pub_args or []), kwargs=kwargs)
    if len(target.args) + len(target.kwargs) > MAX_ARGUMENTS:
        raise TooLarge("pub_args", f"must have at most {MAX_ARGUMENTS} bytes with all other arguments")
    return target


def schedule_in(document: Mapping[str, Any], *, now: datetime, before: Schedule | None = None) -> Schedule:
    """The schedule that a document asks for; `before` itself where that asks for the same."""
    trigger, params = document.get("trigger"), document.get("trigger_params")
    if trigger is None and params is None:
        params = {name: document[name] for name in apscheduler.NAMES if name in document}
        trigger = "cron" if params else None
    if trigger is None or params is None:
        raise Required(f"Require this parameter: {'trigger' if trigger is None else 'trigger_params'}")
    if not isinstance(params, dict):
        raise Invalid("trigger_params", "must be an object")
    match trigger:
        case "cron":
            return cron({name: value for name, value in params.items() if value is not None})
        case "interval":
            return interval(only("interval", params), now=now, before=before)
        case "date":
            return date(only("run_date", params), now=now, before=before)
    raise Invalid("trigger", "must be cron, interval or date")


def cron(params: Mapping[str, object]) -> Cron:
    """A cron trigger. Values may be numbers."""
    if not any(name in params for name in ONE_OF):
        raise Required(ONE_REQUIRED)
    for name, value in params.items():
        if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > LONGEST_TEXT:
            raise Invalid(name, f"must be a number, or at most {LONGEST_TEXT} characters of text")
    expression = apscheduler.expression({name: str(value) for name, value in params.items()})
    return Cron(expression=expression, spelling=Spelling.APSCHEDULER)


def interval(value: object, *, now: datetime, before: Schedule | None) -> Every:
    """An interval trigger, first after one interval."""
    number = seconds(value)
    if number is None or not 1 <= number <= LONGEST_INTERVAL:
        raise Invalid("interval", f"must be a whole number of seconds, from 1 to {LONGEST_INTERVAL}")
    period = timedelta(seconds=number)
    return before if isinstance(before, Every) and before.period == period else Every(start=now + period, period=period)


def seconds(value: object) -> int | None:
    """A whole number, however it is written: 3600.0 too, as the original answers, and "3600"."""
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if NUMBER.fullmatch(value.strip()):
            return int(value)
    return None


def date(value: object, *, now: datetime, before: Schedule | None) -> Once:
    """A date trigger."""
    once = Once(at=moment(value if isinstance(value, str) else "", "run_date"))
    if once != before and once.at < now - GRACE:
        raise Invalid("run_date", "must not be more than an hour in the past")
    return once


def only(name: str, params: Mapping[str, object]) -> object:
    """The one parameter of a trigger."""
    other = next((key for key in params if key != name), None)
    if params.get(name) is None:
        raise Required(f'Require the parameter "{name}" in "trigger_params".')
    if other is not None:
        raise Invalid(other, f"is no parameter of this trigger: it has {name} alone")
    return params[name]
