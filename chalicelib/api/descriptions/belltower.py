"""Belltower's own API, for /openapi.json. Its words and decisions are in api/dialects/belltower.py."""

from chalicelib.api.openapi import JSON, TEXT, WHOLE, Description, Operation, Schema, a, record, several

TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER_OR_NULL: Schema = {"type": ["integer", "null"]}
KEY_PATH = {"ref": a("Key", description="Percent-encoded, for its /", examples=["joe%2Fproduction"])}
KEY = {
    "key": TEXT,
    "label": TEXT,
    "created_at": TEXT,
    "state": {"enum": ["active", "rotating"]},
    "until": {**TEXT_OR_NULL, "description": "While it rotates: when the secret before stops to prove"},
}
ISSUED = record({**KEY, "secret": TEXT})
OVERLAP: Schema = {"type": "integer", "minimum": 0, "maximum": 7 * 24 * 60 * 60, "default": 24 * 60 * 60}
ATTEMPT = record(
    {
        **dict.fromkeys(("due_at", "claimed_at", "sent_at", "answered_at"), TEXT),
        "late_ms": WHOLE,
        "outcome": TEXT,
        "status": NUMBER_OR_NULL,
        "detail": TEXT_OR_NULL,
    }
)
EXECUTION = record(
    {
        **dict.fromkeys(("firing_id", "job", "dialect", "key", "due_at", "state"), TEXT),
        "reason": TEXT_OR_NULL,
        "retry_at": TEXT_OR_NULL,
        "attempts": several(ATTEMPT),
    }
)
LATENESS = record({"count": WHOLE, "p50_ms": NUMBER_OR_NULL, "p99_ms": NUMBER_OR_NULL, "max_ms": NUMBER_OR_NULL})
QUERY = {
    "job": a("A job's id", maxLength=255),
    "from": a("Due at or after", format="date-time"),
    "to": a("Due at or before", format="date-time"),
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    "page": a("A page's token", description="The `next` of the page before, with the same query"),
}

DESCRIPTION = Description(
    title="Belltower's own: the keys that all APIs share, and what became of every firing",
    proofs={
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "A key and its secret, or the account's name or id and its password",
        }
    },
    refusal={JSON: record({"error": TEXT})},
    refused=(400, 401, 413, 429, 500, 503),
    operations={
        "/v1/keys": {
            "GET": Operation(
                summary="The keys that may be seen", answers={200: {JSON: record({"keys": several(record(KEY))})}}
            ),
            "POST": Operation(
                summary="Make a key; the answer alone has its secret",
                answers={201: {JSON: ISSUED}},
                refused=(403, 409),
                body={JSON: record({}, {"label": a("A label", pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")})},
            ),
        },
        "/v1/keys/{ref}": {
            "DELETE": Operation(
                summary="Revoke a key",
                answers={200: {JSON: record({"revoked": TEXT})}},
                refused=(403, 404),
                path=KEY_PATH,
            ),
        },
        "/v1/keys/{ref}/rotate": {
            "POST": Operation(
                summary="Give a key another secret; the answer alone has it",
                answers={200: {JSON: ISSUED}},
                refused=(403, 404, 409),
                path=KEY_PATH,
                body={JSON: record({}, {"overlap_seconds": OVERLAP})},
            ),
        },
        "/v1/executions": {
            "GET": Operation(
                summary="What became of every firing, the newest first",
                answers={
                    200: {JSON: record({"executions": several(EXECUTION), "lateness": LATENESS, "next": TEXT_OR_NULL})}
                },
                query=QUERY,
            ),
        },
    },
)
