"""rlatr, for /openapi.json. Its words and quirks are in api/dialects/rlatr.py."""

from chalicelib.api.openapi import JSON, TEXT, WHOLE, Description, Operation, a, record, several

FORM = "application/x-www-form-urlencoded"
JOB = {"ref": a("Job id", pattern="^[0-9]{16}$")}
TIME = a("A time", format="date-time", description="ISO 8601; without a zone it is UTC")
METHOD = a("The method of the call", enum=["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"])
URI = a("A URL to call", maxLength=2048)
CHOICES = {"method": METHOD, "callback_uri": URI}
REQUEST = record({"uri": URI, "at": TIME}, CHOICES)
CHANGES = record({}, {"uri": URI, "at": TIME, **CHOICES})
DONE = {200: {JSON: record({"success": record({"id": WHOLE})})}}

DESCRIPTION = Description(
    title="rlatr: one webhook at one time",
    proofs={"basic": {"type": "http", "scheme": "basic", "description": "An API key and its secret"}},
    refusal={JSON: record({"fail": record({"errors": several(TEXT)})})},
    refused=(400, 401, 413, 500, 503),
    operations={
        "/api/v1ish/schedule": {
            "POST": Operation(
                summary="Schedule a request", answers=DONE, refused=(403,), body={JSON: REQUEST, FORM: REQUEST}
            ),
        },
        "/api/v1ish/schedule/{ref}": {
            "PUT": Operation(
                summary="Change what is sent of a request that has not completed",
                answers=DONE,
                refused=(404,),
                path=JOB,
                body={JSON: CHANGES, FORM: CHANGES},
            ),
            "DELETE": Operation(
                summary="Delete a request that has not completed", answers=DONE, refused=(404,), path=JOB
            ),
        },
    },
)
