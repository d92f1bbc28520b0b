"""ndscheduler: jobs, executions and logs under /api/v1 and /api/v2. Source: seeds/004.

Kept on purpose: what is unknown is 400; PATCH pauses and OPTIONS resumes; extra fields of a POST are keyword arguments
of the job's run(); any class may be named, and one that may not run shows as an execution's `scheduled error`; cron is
APScheduler's, Monday is 0; missed times are coalesced to one run; a PUT is a whole job; a paused job stays paused.
Interpreted: HTTP Basic with an API key and its secret, because who may create jobs may run code; both prefixes are one
API, with `trigger` or with the old flat body; a custom run is answered at once with its id and runs beside the
schedule, a paused job's too; a CORS preflight (Origin and Access-Control-Request-Method) is answered as one and resumes
nothing; a `date` job stays listed after its run and may be given another date, or up to an hour of the past as
APScheduler's grace; a trigger that never fires is refused. Where a PUT leaves the trigger as it was, the next run stays
as well. Of what a PUT may set in APScheduler, `misfire_grace_time`, `coalesce`, `max_instances`, `executor` and
`next_run_time` are taken and have no effect: clients send back what they read, and it is the service that coalesces,
runs side by side and computes the next run; any other field is refused. Executions are not stopped: 501. Executions
and entries of the log are the latest 1,000 of their range, with `"more": true` beside them where there are others.
The log is of this API's jobs, told by their ids; `user` is the API key. What bodies ask for is read in
api/ndscheduler_bodies.py, documents are written in api/ndscheduler_documents.py.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from chalicelib import signing
from chalicelib.api import ndscheduler_documents as documents
from chalicelib.api.dialect import Dialect, OurFault, View, headers_of, status_of
from chalicelib.api.fields import basic_credentials, body_fields, moment, query_fields
from chalicelib.api.http import Request, Response
from chalicelib.api.ndscheduler_bodies import Required, arguments, document_in, fields_of, named, schedule_in
from chalicelib.operations import history, jobs
from chalicelib.operations.accounts import authenticate
from chalicelib.ports import Services
from chalicelib.scheduling.account import Principal
from chalicelib.scheduling.errors import BelltowerError, Conflict, Invalid, NotFound, TooLarge, Unauthenticated
from chalicelib.scheduling.job import Definition, Job, JobRef
from chalicelib.scheduling.retry import Misfire
from chalicelib.scheduling.schedule import Schedule

NAME = "ndscheduler"
SETTABLE = frozenset({"misfire_grace_time", "coalesce", "max_instances", "executor", "next_run_time"})
JOB_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
LONGEST_LIST = 1000  # executions, or entries of the log
LOOK_BACK = timedelta(minutes=10)


def list_all(services: Services, request: Request) -> Response:
    """GET /jobs: by next run, without one last."""
    found = jobs.list_jobs(services, authenticated(services, request), dialect=NAME)
    by_next_run = sorted(found, key=lambda job: (job.standing.due_at is None, job.standing.due_at))
    return success({"jobs": [documents.job_document(job) for job in by_next_run]})


def create(services: Services, request: Request) -> Response:
    """POST /jobs."""
    principal = authenticated(services, request)
    definition, schedule = parsed(services, principal, document_in(request))
    job = jobs.create_job(services, definition, schedule, misfire=Misfire.LATEST)
    return success({"job_id": job.ref.job_id}, status=201)


def read(services: Services, request: Request) -> Response:
    """GET /jobs/{ref}."""
    job = jobs.get_job(services, authenticated(services, request), ref(request), dialect=NAME)
    return success(documents.job_document(job))


def update(services: Services, request: Request) -> Response:
    """PUT /jobs/{ref}."""
    principal, document = authenticated(services, request), document_in(request)

    def edit(job: Job) -> jobs.Change:
        return changed(job, document, now=services.clock.now())

    job = jobs.edit_job(services, principal, ref(request), dialect=NAME, edit=edit)
    return success({"job_id": job.ref.job_id})


def delete(services: Services, request: Request) -> Response:
    """DELETE /jobs/{ref}: its executions stay."""
    principal = authenticated(services, request)
    job = jobs.get_job(services, principal, ref(request), dialect=NAME)
    jobs.delete_job(services, principal, ref(request), dialect=NAME, description=documents.described(job))
    return success({"job_id": job.ref.job_id})


def pause(services: Services, request: Request) -> Response:
    """PATCH /jobs/{ref}."""
    job = jobs.pause_job(services, authenticated(services, request), ref(request), dialect=NAME)
    return success({"job_id": job.ref.job_id})


def resume(services: Services, request: Request) -> Response:
    """OPTIONS /jobs/{ref}, unless a browser asks whether it may call."""
    if request.header("origin") and request.header("access-control-request-method"):
        return options(services, request)
    job = jobs.resume_job(services, authenticated(services, request), ref(request), dialect=NAME)
    return success({"job_id": job.ref.job_id})


def list_executions(services: Services, request: Request) -> Response:
    """GET /executions: by time of their last change, the latest first; of more than fit those that were due last."""
    principal = authenticated(services, request)
    start, end = time_range(request, now=services.clock.now())
    found = history.executions_between(services, principal, start, end, dialect=NAME, most=LONGEST_LIST + 1)
    known, shown = history.jobs_of(services, found), found[-LONGEST_LIST:]
    latest_first = sorted(shown, key=documents.updated_at, reverse=True)
    told = [documents.execution_document(one, known.get(one.ref)) for one in latest_first]
    return success({"executions": told, **more_than(found)})


def run_named(services: Services, request: Request) -> Response:
    """POST /executions, with `job_id` in the query or the body."""
    principal = authenticated(services, request)
    fields = query_fields(request, ["job_id"])
    if request.body.strip():
        fields |= body_fields(request, ["job_id"])
    if not fields.get("job_id"):
        raise Required("Require this parameter: job_id")
    execution = jobs.run_now(services, principal, fields["job_id"], dialect=NAME)
    return success({"execution_id": execution.firing_id})


def read_execution(services: Services, request: Request) -> Response:
    """GET /executions/{ref}."""
    principal = authenticated(services, request)
    execution = history.get_execution(services, principal, ref(request), dialect=NAME)
    known = history.jobs_of(services, [execution])
    return success(documents.execution_document(execution, known.get(execution.ref)))


def run(services: Services, request: Request) -> Response:
    """POST /executions/{ref}: of a job."""
    execution = jobs.run_now(services, authenticated(services, request), ref(request), dialect=NAME)
    return success({"execution_id": execution.firing_id})


def stop(services: Services, request: Request) -> Response:
    """DELETE /executions/{ref}: as in the original."""
    authenticated(services, request)
    return success({"error": "Not implemented yet."}, status=501)


def list_logs(services: Services, request: Request) -> Response:
    """GET /logs: the latest first."""
    principal = authenticated(services, request)
    start, end = time_range(request, now=services.clock.now())
    found = history.audit_between(services, principal, start, end)
    ours = [entry for entry in reversed(found) if JOB_ID.fullmatch(entry.job_id)]
    return success({"logs": [documents.log_document(entry) for entry in ours[:LONGEST_LIST]], **more_than(ours)})


def options(_services: Services, request: Request) -> Response:
    """OPTIONS where there is nothing to resume, and preflights: what may be called, by whoever asks."""
    parts = request.path.rstrip("/").split("/")
    route = f"{parts[-2]}/{{ref}}" if "ref" in request.params else parts[-1]
    methods = ", ".join([*DIALECT.routes[f"/api/v1/{route}"]])
    headers = {
        "Allow": methods,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Max-Age": "600",
    }
    return Response(status=204, body="", headers=headers)


def authenticated(services: Services, request: Request) -> Principal:
    """HTTP Basic: user is the API key, password its secret."""
    key, secret = basic_credentials(request) or ("", "")
    proof = secret.encode()
    return authenticate(services, key, proves=lambda known: signing.same(known.reveal().encode(), proof))


def parsed(services: Services, principal: Principal, document: Mapping[str, Any]) -> tuple[Definition, Schedule]:
    """The job in the document of a creation; what is none of its fields goes to run()."""
    now = services.clock.now()
    name, class_string = named(document)
    kwargs = {name: value for name, value in document.items() if name not in fields_of(document)}
    definition = Definition(
        ref=JobRef(account_id=principal.account_id, job_id=uuid.uuid4().hex),
        dialect=NAME,
        key=principal.key,
        name=name,
        target=arguments(class_string, document.get("pub_args"), json.dumps(kwargs)),
        created_at=now,
    )
    return definition, schedule_in(document, now=now)


def changed(job: Job, document: Mapping[str, Any], *, now: datetime) -> jobs.Change:
    """The edit that the document of an update asks for; keyword arguments stay as they are."""
    own = fields_of(document) | SETTABLE | {"job_id"}
    other = next((name for name in document if name not in own), None)
    if other is not None or document.get("job_id", job.ref.job_id) != job.ref.job_id:
        raise Invalid(other or "job_id", "cannot be modified")
    name, class_string = named(document)
    before = job.standing.schedule
    schedule = schedule_in(document, now=now, before=before)
    target = arguments(class_string, document.get("pub_args"), documents.class_of(job.definition).kwargs)
    definition = replace(job.definition, name=name, target=target)
    return jobs.Change(
        definition=definition,
        schedule=schedule if schedule != before else None,
        description=documents.changes(job, definition, schedule),
    )


def time_range(request: Request, *, now: datetime) -> tuple[datetime, datetime]:
    """The range asked for; by default the last ten minutes."""
    fields = query_fields(request, ("time_range_start", "time_range_end"))
    start, end = fields.get("time_range_start"), fields.get("time_range_end")
    return (
        moment(start, "time_range_start") if start else now - LOOK_BACK,
        moment(end, "time_range_end") if end else now,
    )


def more_than(found: Sequence[object]) -> Mapping[str, bool]:
    """What is said of a list that is longer than can be shown: ask for a time range that ends earlier."""
    return {"more": True} if len(found) > LONGEST_LIST else {}


def ref(request: Request) -> str:
    """The id in the path."""
    return unquote(request.params["ref"])


def success(document: object, *, status: int = 200) -> Response:
    """A document."""
    return Response(status=status, body=json.dumps(document), content_type="application/json; charset=UTF-8")


def under_both(routes: Mapping[str, Mapping[str, View]]) -> Mapping[str, Mapping[str, View]]:
    """The routes under the prefixes of the released version and of the one that the seed describes."""
    return {f"/api/{version}/{path}": views for version in ("v1", "v2") for path, views in routes.items()}


def render_error(error: BelltowerError) -> Response:
    """`{"error": "..."}`."""
    headers, text = headers_of(error), str(error)
    match error:
        case Unauthenticated():
            headers, text = {"WWW-Authenticate": 'Basic realm="ndscheduler"'}, "Unknown API key or wrong secret"
        case NotFound(kind=kind, identifier=identifier):
            text = f"{kind} not found: {identifier}"
        case Invalid() if not isinstance(error, Required):
            text = f"incorrect parameters: {text}"
        case OurFault():
            text = "server side error"
    status = status_of(error, {NotFound: 400, Conflict: 400, TooLarge: 400})
    return replace(success({"error": text}, status=status), headers=headers)


DIALECT = Dialect(
    name=NAME,
    routes=under_both(
        {
            "jobs": {"GET": list_all, "POST": create, "OPTIONS": options},
            "jobs/{ref}": {"GET": read, "PUT": update, "DELETE": delete, "PATCH": pause, "OPTIONS": resume},
            "executions": {"GET": list_executions, "POST": run_named, "OPTIONS": options},
            "executions/{ref}": {"GET": read_execution, "POST": run, "DELETE": stop, "OPTIONS": options},
            "logs": {"GET": list_logs, "OPTIONS": options},
        }
    ),
    render_error=render_error,
    headers={"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"},
)
