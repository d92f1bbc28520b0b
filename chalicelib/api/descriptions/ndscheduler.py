"""ndscheduler, for /openapi.json. Its words and quirks are in api/dialects/ndscheduler.py."""

from collections.abc import Mapping

from chalicelib.api.openapi import JSON, TEXT, WHOLE, Content, Description, Operation, Schema, a, record, several

JOB_ID, EXECUTION_ID = (a(title, pattern="^[0-9a-f]{32}$") for title in ("Job id", "Execution id"))
LISTED: Schema = {"type": "array"}
PARAMS: Schema = {
    "type": "object",
    "description": "cron: one of month, day, hour, minute, day_of_week; interval: interval, in seconds; date: run_date",
    "properties": {
        **{
            name: {"type": ["string", "integer", "null"]}
            for name in ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second")
        },
        "interval": {"type": ["integer", "number", "string"]},
        "run_date": a("A time", format="date-time"),
    },
}
TRIGGER: Mapping[str, Schema] = {"trigger": {"enum": ["cron", "interval", "date"]}, "trigger_params": PARAMS}
NAMED: Mapping[str, Schema] = {
    "job_class_string": a("The class that runs", minLength=1, maxLength=255),
    "name": a("A name", minLength=1, maxLength=255),
}
ASKED = record({**NAMED, **TRIGGER}, {"pub_args": LISTED})
JOB = record(
    {"job_id": TEXT, "name": TEXT, "next_run_time": TEXT, "job_class_string": TEXT, "pub_args": LISTED, **TRIGGER}
)
STATE: Schema = {
    "enum": ["scheduled", "running", "stopping", "stopped", "failed", "succeeded", "timeout", "scheduled error"]
}
EXECUTION = record(
    {
        "execution_id": TEXT,
        "state": STATE,
        "hostname": TEXT,
        "pid": WHOLE,
        "task_id": TEXT,
        "description": TEXT,
        "result": TEXT,
        "scheduled_time": TEXT,
        "updated_time": TEXT,
    },
    {"job": {"type": "object"}, **TRIGGER},
)
ENTRY = record(
    {
        "job_id": TEXT,
        "job_name": TEXT,
        "event": {"enum": ["added", "modified", "deleted", "paused", "resumed", "custom_run"]},
        "user": TEXT,
        "created_time": TEXT,
        "description": {"type": ["string", "null"]},
    }
)
RANGE = {
    name: a("A time", format="date-time", description=f"By default {default}")
    for name, default in (("time_range_start", "ten minutes ago"), ("time_range_end", "now"))
}
MORE = {"more": {"const": True, "description": "There are more than these 1,000: ask for a range that ends earlier"}}
ID: Content = {JSON: record({"job_id": TEXT})}
STARTED: Content = {JSON: record({"execution_id": TEXT})}
REFUSAL: Content = {JSON: record({"error": TEXT})}
JOB_PATH, EXECUTION_PATH = {"ref": JOB_ID}, {"ref": EXECUTION_ID}
MAY = Operation(summary="What may be called here", answers={204: {}}, proofs=())

OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "jobs": {
        "GET": Operation(summary="All jobs, by next run", answers={200: {JSON: record({"jobs": several(JOB)})}}),
        "POST": Operation(
            summary="Create a job; other fields are keyword arguments of its run()",
            answers={201: ID},
            refused=(403,),
            body={JSON: ASKED},
        ),
        "OPTIONS": MAY,
    },
    "jobs/{ref}": {
        "GET": Operation(summary="A job", answers={200: {JSON: JOB}}, path=JOB_PATH),
        "PUT": Operation(summary="Put another job in its place", answers={200: ID}, path=JOB_PATH, body={JSON: ASKED}),
        "DELETE": Operation(summary="Delete a job; its executions stay", answers={200: ID}, path=JOB_PATH),
        "PATCH": Operation(summary="Pause a job", answers={200: ID}, path=JOB_PATH),
        "OPTIONS": Operation(summary="Resume a job", answers={200: ID, 204: {}}, path=JOB_PATH),
    },
    "executions": {
        "GET": Operation(
            summary="Executions of a time range, the latest first",
            answers={200: {JSON: record({"executions": several(EXECUTION)}, MORE)}},
            query=RANGE,
        ),
        "POST": Operation(summary="Run a job now", answers={200: STARTED}, query={"job_id": JOB_ID}),
        "OPTIONS": MAY,
    },
    "executions/{ref}": {
        "GET": Operation(summary="An execution", answers={200: {JSON: EXECUTION}}, path=EXECUTION_PATH),
        "POST": Operation(summary="Run a job now", answers={200: STARTED}, path=JOB_PATH),
        "DELETE": Operation(summary="Refused: executions are not stopped", answers={501: REFUSAL}, path=EXECUTION_PATH),
        "OPTIONS": Operation(summary=MAY.summary, answers=MAY.answers, proofs=(), path=EXECUTION_PATH),
    },
    "logs": {
        "GET": Operation(
            summary="The audit log of a time range, the latest first",
            answers={200: {JSON: record({"logs": several(ENTRY)}, MORE)}},
            query=RANGE,
        ),
        "OPTIONS": MAY,
    },
}

DESCRIPTION = Description(
    title="ndscheduler: job classes on cron fields, intervals or a date; executions, audit log",
    proofs={"basic": {"type": "http", "scheme": "basic", "description": "An API key and its secret"}},
    refusal=REFUSAL,
    refused=(400, 401, 500, 503),
    operations={f"/api/{version}/{path}": methods for version in ("v1", "v2") for path, methods in OPERATIONS.items()},
)
