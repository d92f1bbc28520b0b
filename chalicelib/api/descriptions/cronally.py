"""Cronally, for /openapi.json. Its words and quirks are in api/dialects/cronally.py."""

from chalicelib.api.openapi import JSON, TEXT, WHOLE, Content, Description, Operation, Schema, a, record, several

FORM = "application/x-www-form-urlencoded"
EMAIL = record({"email": a("An e-mail address", format="email")})
NEW = record(
    {
        "name": a("A name", maxLength=255),
        "cron": a("Five fields of Unix cron, in UTC", maxLength=255, examples=["0 8 * * 1-5"]),
        "sns_topic": a("The topic's ARN"),
        "sns_message": a("What is published", description="At most 256 KiB"),
        "sns_region": a("The topic's region"),
        "sns_access_key_id": a("Of AWS keys that may publish", maxLength=128),
        "sns_secret_access_key": a("Of the same AWS keys; never shown again", maxLength=255),
    }
)
CRONJOB = record(
    {"account_id": TEXT, "cronjob_id": TEXT, "deleted": {"type": "boolean"}, "name": TEXT, "cron": TEXT},
)
ACCOUNT = record({"account_id": TEXT, "email": TEXT, "api_key": TEXT, "api_secret": TEXT, "cronjob_count": WHOLE})


def header(name: str, text: str) -> Schema:
    """One of the three that sign a request."""
    return {"type": "apiKey", "in": "header", "name": name, "description": text}


def succeeded(response: Schema) -> dict[int, Content]:
    """Success is always 200."""
    return {200: {JSON: record({"status": {"const": "success"}, "response": response})}}


DESCRIPTION = Description(
    title="Cronally: SNS topics on Unix cron",
    proofs={
        "key": header("X-Cron-Key", "The API key"),
        "date": header("X-Cron-Date", "The time in UTC, as %Y%m%d%H%M"),
        "signature": header(
            "X-Cron-Signature",
            "base64(HMAC-SHA256(base64-decoded secret, path + method + date)), with the path as sent",
        ),
    },
    refusal={JSON: record({"status": {"const": "error"}, "response": record({"reason": TEXT}), "reason": TEXT})},
    refused=(400, 401, 500, 503),
    operations={
        "/account": {
            "POST": Operation(
                summary="Open an account; the answer has its key and secret",
                answers=succeeded(ACCOUNT),
                body={JSON: EMAIL, FORM: EMAIL},
                proofs=(),
            ),
            "GET": Operation(summary="The account, with the key that asks", answers=succeeded(ACCOUNT)),
        },
        "/cronjob": {
            "POST": Operation(
                summary="Create a cron job", answers=succeeded(CRONJOB), refused=(403,), body={JSON: NEW, FORM: NEW}
            ),
        },
        "/cronjobs": {"GET": Operation(summary="All cron jobs", answers=succeeded(several(CRONJOB)))},
        "/cronjob/{ref}": {
            "DELETE": Operation(
                summary="Delete a cron job",
                answers=succeeded(CRONJOB),
                refused=(404,),
                path={"ref": a("Job id", format="uuid")},
            ),
        },
    },
)
