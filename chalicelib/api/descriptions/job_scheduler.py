"""The Job Scheduler API, for /openapi.json. Its words and quirks are in api/dialects/job_scheduler.py."""

from collections.abc import Mapping

from chalicelib.api.openapi import JSON, TEXT, Content, Description, Operation, Schema, a, record, several

PLAIN, XML_TYPES = "text/plain", ("text/xml", "application/xml")
JOB_ID = {"ref": a("Job id", format="uuid")}
FIELDS: Mapping[str, Schema] = {
    "url": a("A URL to post to", maxLength=2048),
    "signature": a("What the calls bear as X-Content-Signature"),
    "contentType": a("The type of the payload"),
    "data": a("The payload", description="At most 2,048 bytes"),
    "when": a("The one time", format="date-time"),
    "cron": a("Six or seven fields of Quartz cron, in UTC", maxLength=255, examples=["0 15 10 ? * *"]),
}
ASKED = record({"url": FIELDS["url"]}, FIELDS)
JOB = record({"id": TEXT, "account": TEXT, "url": TEXT}, {**FIELDS, "next": a("When a cron job fires next")})
WRITTEN = dict.fromkeys(XML_TYPES, TEXT)
ASKED_XML = {media: {**ASKED, "xml": {"name": "job"}} for media in XML_TYPES}
DOCUMENT: Content = {JSON: JOB, **WRITTEN}
ANSWER: Content = {PLAIN: a("The bare id"), **DOCUMENT}
LINE = a("ISO 8601, or Quartz cron with a + for each blank", examples=["2030-05-11T15%3A30%3A00Z", "0+15+10+%3F+*+*"])

DESCRIPTION = Description(
    title="The Job Scheduler API: webhooks with a payload, once or on Quartz cron; JSON, XML and text",
    proofs={
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "An API key or the account's name, and the key's secret",
        }
    },
    refusal={PLAIN: TEXT, JSON: record({"error": TEXT}), **WRITTEN},
    refused=(400, 401, 413, 500, 503),
    operations={
        "/1/jobs": {
            "GET": Operation(
                summary="The ids of all jobs",
                answers={200: {PLAIN: a("The ids, with commas between them"), JSON: several(TEXT), **WRITTEN}},
                refused=(406,),
            ),
            "POST": Operation(
                summary="Create a job",
                answers={201: ANSWER},
                refused=(403, 406, 415),
                body={JSON: ASKED, **ASKED_XML},
            ),
        },
        "/1/jobs/{ref}": {
            "GET": Operation(summary="A job", answers={200: DOCUMENT}, refused=(404, 406), path=JOB_ID),
            "PUT": Operation(
                summary="Put another job in its place",
                answers={200: ANSWER},
                refused=(404, 406, 415),
                path=JOB_ID,
                body={JSON: ASKED, **ASKED_XML},
            ),
            "DELETE": Operation(summary="Delete a job", answers={204: {}}, refused=(404,), path=JOB_ID),
        },
        "/1/jobs/{ref}/{callback}": {
            "POST": Operation(
                summary="Create a job in one line; the body, if there is one, is its payload",
                answers={201: ANSWER},
                refused=(403, 406),
                path={"ref": LINE, "callback": a("A URL to post to, encoded")},
                headers={"X-Content-Signature": FIELDS["signature"]},
            ),
        },
    },
)
