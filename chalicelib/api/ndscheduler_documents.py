"""ndscheduler's documents: jobs, executions, audit entries and what is said of changes. Source: seeds/004.

A part of api/dialects/ndscheduler.py in a file of its own, because the two together are longer than a file may be; the
parts of a dialect stay in theirs.

`week` stands among the trigger's parameters, and beside them in an execution's job, as the seed has it. The trigger is
told in an execution's job and beside it, because the original's UI reads it there. An execution whose job was deleted
has neither. Values go into the audit log's HTML escaped; in the original they ran as scripts.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

from chalicelib.scheduling import apscheduler
from chalicelib.scheduling.audit import AuditEntry
from chalicelib.scheduling.execution import Execution, ExecutionState, OutcomeKind
from chalicelib.scheduling.job import Definition, Job
from chalicelib.scheduling.schedule import Cron, Every, Once, Schedule
from chalicelib.scheduling.target import JobClass

CRON_FIELDS = ("month", "day", "week", "day_of_week", "hour", "minute")
LONGEST_VALUE = 8192  # characters of one value in the description of a change
PLACE = re.compile(r"hostname: (?P<hostname>.*) \| pid: (?P<pid>\d+)", re.DOTALL)
STATES: Mapping[ExecutionState, str] = {
    ExecutionState.DELIVERED: "succeeded",
    ExecutionState.FAILED: "failed",
    ExecutionState.MISSED: "scheduled error",
    ExecutionState.PARKED: "scheduled error",
    ExecutionState.CANCELLED: "stopped",
}
FAILURES: Mapping[OutcomeKind, str] = {
    OutcomeKind.UNKNOWN_CLASS: "scheduled error",
    OutcomeKind.TIMED_OUT: "timeout",
}


def job_document(job: Job) -> Mapping[str, Any]:
    """A job."""
    due_at = job.standing.due_at
    return {
        "job_id": job.ref.job_id,
        "name": job.definition.name,
        "next_run_time": due_at.isoformat() if due_at else "",
        "job_class_string": class_of(job.definition).class_string,
        "pub_args": json.loads(class_of(job.definition).args),
        **trigger_document(job.standing.schedule),
    }


def trigger_document(schedule: Schedule) -> Mapping[str, Any]:
    """`trigger` and `trigger_params`, with every default filled in."""
    match schedule:
        case Cron(expression=expression):
            fields = apscheduler.fields(expression)
            return {"trigger": "cron", "trigger_params": {name: fields[name] for name in CRON_FIELDS}}
        case Every(period=period):
            return {"trigger": "interval", "trigger_params": {"interval": int(period.total_seconds())}}
        case Once(at=at):
            return {"trigger": "date", "trigger_params": {"run_date": at.isoformat()}}


def execution_document(execution: Execution, job: Job | None) -> Mapping[str, Any]:
    """An execution, with its job as it is now."""
    outcome = execution.attempts[-1].outcome if execution.attempts else None
    place = PLACE.fullmatch(outcome.detail) if outcome else None
    document: dict[str, Any] = {
        "execution_id": execution.firing_id,
        "state": state_of(execution),
        "hostname": place["hostname"] if place else "",
        "pid": int(place["pid"]) if place else -1,
        "task_id": "",
        "description": outcome.detail if outcome else execution.reason,
        "result": outcome.body.decode(errors="replace") if outcome else "",
        "scheduled_time": execution.due_at.isoformat(),
        "updated_time": updated_at(execution).isoformat(),
    }
    if job:
        asked, trigger = class_of(job.definition), trigger_document(job.standing.schedule)
        week = {"week": trigger["trigger_params"]["week"]} if trigger["trigger"] == "cron" else {}
        document["job"] = {
            "job_id": job.ref.job_id,
            "name": job.definition.name,
            "task_name": asked.class_string,
            "job_class_string": asked.class_string,
            "pub_args": json.loads(asked.args),
            **trigger,
            **week,
        }
        document |= trigger
    return document


def state_of(execution: Execution) -> str:
    """One of ndscheduler's eight; `stopping` is never one of ours."""
    if execution.state is ExecutionState.WAITING:
        return "running" if execution.claim else "scheduled"
    if execution.state is ExecutionState.FAILED and execution.attempts:
        return FAILURES.get(execution.attempts[-1].outcome.kind, "failed")
    return STATES[execution.state]


def updated_at(execution: Execution) -> datetime:
    """When it came into its state, as far as that is kept."""
    if execution.claim:
        return execution.claim.claimed_at
    return execution.attempts[-1].answered_at if execution.attempts else execution.due_at


def log_document(entry: AuditEntry) -> Mapping[str, Any]:
    """An audit entry; without a description: null."""
    return {
        "job_id": entry.job_id,
        "job_name": entry.job_name,
        "event": entry.event.value,
        "user": entry.user,
        "created_time": entry.created_at.isoformat(),
        "description": entry.description or None,
    }


def described(job: Job) -> str:
    """A job that is deleted, as JSON in which nothing is HTML."""
    text = json.dumps(job_document(job))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def changes(before: Job, definition: Definition, schedule: Schedule) -> str:
    """What an edit changes, as the HTML of ndscheduler."""
    told = zip(
        _items(before.definition, before.standing.schedule).items(), _items(definition, schedule).values(), strict=True
    )
    return "".join(
        f'<b>{item}</b>: <font color="red">{_safe(old)}</font> => <font color="green">{_safe(new)}</font><br>'
        for (item, old), new in told
        if old != new
    )


def class_of(definition: Definition) -> JobClass:
    """The class that a job of ndscheduler runs."""
    if not isinstance(definition.target, JobClass):
        raise TypeError("a job of ndscheduler runs a class")
    return definition.target


def _items(definition: Definition, schedule: Schedule) -> Mapping[str, str]:
    trigger = trigger_document(schedule)
    params = ", ".join(f"{name}={str(value)!r}" for name, value in trigger["trigger_params"].items())
    return {
        "Name": definition.name,
        "Job Class": class_of(definition).class_string,
        "Trigger": f"{trigger['trigger']}[{params}]",
        "Arguments": class_of(definition).args,
    }


def _safe(value: str) -> str:
    return escape(value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}...")
