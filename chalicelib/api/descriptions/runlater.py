"""RunLater's jobs, for /openapi.json. Their words and quirks are in api/dialects/runlater.py."""

from chalicelib.api.openapi import JSON, TEXT, Description, Operation, Schema, a, either, record, several

UNITS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")
ACCOUNT = {"account": a("Account name", pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")}
JOB_ID = a("Job id", pattern="^[0-9a-f]{24}$")
LABEL = a("Key label", pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
INTERVAL: Schema = {
    "type": "object",
    "properties": {unit: {"type": "integer", "minimum": 0, "maximum": 10**9} for unit in UNITS},
    "additionalProperties": False,
}
HEADERS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
ASKED = record(
    {
        "name": a("A name", minLength=1, maxLength=1000),
        "when": a("When it fires first", format="date-time"),
        "interval": either(a("Words", maxLength=200, examples=["1 day", "2 hours 30 minutes", ""]), INTERVAL),
        "url": a("A URL to call", maxLength=2048),
        "method": a("The method of the call", enum=["GET", "POST", "PUT", "DELETE", "get", "post", "put", "delete"]),
        "headers": HEADERS,
    },
    {"body": a("What is sent", description="At most 64 KiB")},
)
JOB = record(
    {
        "name": TEXT,
        "when": TEXT,
        "interval": INTERVAL,
        "url": TEXT,
        "method": TEXT,
        "headers": HEADERS,
        "status": {"enum": ["waiting", "running", "completed"]},
        "userid": TEXT,
        "doctype": {"const": "job"},
        "runlater_key": TEXT,
        "_id": JOB_ID,
    },
    {"body": TEXT, "editted": TEXT},
)
RUN_TIME: Schema = {"type": ["string", "null"]}
RESULT = record({"status": {"type": ["integer", "null"]}, "headers": {"type": "object"}, "body": TEXT}, {"error": TEXT})
RUN = record(
    {
        "_id": TEXT,
        "jobid": JOB_ID,
        "userid": TEXT,
        "runlater_key": TEXT,
        "result": RESULT,
        "began": RUN_TIME,
        "scheduled": TEXT,
        "ended": RUN_TIME,
    }
)
CREATE = Operation(summary="Create a job", answers={201: {JSON: JOB}}, path=ACCOUNT, body={JSON: ASKED})
ONE, KEYED = {**ACCOUNT, "ref": JOB_ID}, {**ACCOUNT, "ref": LABEL}

DESCRIPTION = Description(
    title="RunLater: webhooks once or every interval",
    proofs={
        "key": {"type": "apiKey", "in": "header", "name": "runlater_key", "description": "The label of an API key"},
        "hash": {
            "type": "apiKey",
            "in": "header",
            "name": "runlater_hash",
            "description": "base64(HMAC-SHA1(secret, the body of a PUT or POST, else the path as sent))",
        },
    },
    refusal={JSON: record({"error": TEXT})},
    refused=(400, 500, 503),
    operations={
        "/users/{account}/jobs": {"PUT": CREATE, "POST": CREATE},
        "/users/{account}/apikey/{ref}/jobs": {
            "GET": Operation(summary="The jobs of a key", answers={200: {JSON: several(JOB)}}, path=KEYED),
        },
        "/users/{account}/jobs/{ref}": {
            "GET": Operation(summary="A job of the key that asks", answers={200: {JSON: JOB}}, path=ONE),
            "PUT": Operation(
                summary="Put another job in its place", answers={200: {JSON: JOB}}, path=ONE, body={JSON: ASKED}
            ),
            "DELETE": Operation(summary="Delete a job", answers={200: {"text/plain": TEXT}}, path=ONE),
        },
        "/users/{account}/logs/{ref}": {
            "GET": Operation(summary="The last 100 runs of a key", answers={200: {JSON: several(RUN)}}, path=KEYED),
        },
    },
)
