"""The environment, read once: the only place that looks at it. A missing setting fails by its name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from chalicelib.signing import AwsCredentials


class MissingSetting(Exception):
    """A setting without a default is not there, or one cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a deployment may set. `aws_endpoint` is only set locally; so is `local`, which allows loopback targets."""

    stage: str
    region: str
    accounts_table: str
    jobs_table: str
    queue_url: str
    retry_queue_url: str
    key_id: str
    shards: int
    worker_timeout: timedelta
    retention: timedelta
    by_job_history: bool
    fair_queues: bool
    share: int | None
    jobs_per_account: int | None
    own_hosts: frozenset[str]
    runlater_strict: bool
    shell_jobs: bool
    slack_url: str = field(repr=False)
    local: bool
    aws_endpoint: str | None
    credentials: AwsCredentials


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings, from BELLTOWER_* and the region and the role's keys that Lambda sets. Raises MissingSetting."""
    return Settings(
        stage=_text(environment, "BELLTOWER_STAGE"),
        region=_text(environment, "AWS_REGION"),
        accounts_table=_text(environment, "BELLTOWER_ACCOUNTS_TABLE"),
        jobs_table=_text(environment, "BELLTOWER_JOBS_TABLE"),
        queue_url=_text(environment, "BELLTOWER_QUEUE_URL"),
        retry_queue_url=_text(environment, "BELLTOWER_RETRY_QUEUE_URL"),
        key_id=_text(environment, "BELLTOWER_KEY_ID"),
        shards=_number(environment, "BELLTOWER_SHARDS", 16),
        worker_timeout=timedelta(seconds=_number(environment, "BELLTOWER_WORKER_TIMEOUT", 60)),
        retention=timedelta(days=_number(environment, "BELLTOWER_RETENTION_DAYS", 30)),
        by_job_history=_switch(environment, "BELLTOWER_BY_JOB_HISTORY", default="1"),
        fair_queues=_switch(environment, "BELLTOWER_FAIR_QUEUES", default="1"),
        share=_number(environment, "BELLTOWER_SHARE", 12) or None,
        jobs_per_account=_number(environment, "BELLTOWER_JOBS_PER_ACCOUNT", 0) or None,
        own_hosts=_hosts(environment, "BELLTOWER_OWN_HOSTS", "BELLTOWER_API_HOST"),
        runlater_strict=_switch(environment, "BELLTOWER_RUNLATER_STRICT", default="0"),
        shell_jobs=_switch(environment, "BELLTOWER_SHELL_JOBS", default="0"),
        slack_url=environment.get("BELLTOWER_SLACK_URL", ""),
        local=_switch(environment, "BELLTOWER_LOCAL", default="0"),
        aws_endpoint=environment.get("BELLTOWER_AWS_ENDPOINT") or None,
        credentials=AwsCredentials(
            access_key_id=_text(environment, "AWS_ACCESS_KEY_ID"),
            secret_access_key=_text(environment, "AWS_SECRET_ACCESS_KEY"),
            session_token=environment.get("AWS_SESSION_TOKEN", ""),
        ),
    )


def serves_api(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process answers requests: all do that are not told otherwise, so that packaging sees the routes."""
    return _switch(environment, "BELLTOWER_SERVES_API", default="1")


def _text(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise MissingSetting(f"{name} is not set")
    return value


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name) or str(default)
    try:
        return int(value)
    except ValueError:
        raise MissingSetting(f"{name} must be a whole number, not {value!r}") from None


def _hosts(environment: Mapping[str, str], *names: str) -> frozenset[str]:
    """As hosts are compared: in lower case, without the dot that may end a name."""
    hosts = ",".join(environment.get(name, "") for name in names).lower().split(",")
    return frozenset(filter(None, (host.strip().rstrip(".") for host in hosts)))


def _switch(environment: Mapping[str, str], name: str, *, default: str) -> bool:
    value = environment.get(name) or default
    if value not in {"0", "1"}:
        raise MissingSetting(f"{name} must be 0 or 1, not {value!r}")
    return value == "1"
