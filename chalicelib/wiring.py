"""The composition root: ports meet adapters, each built on first use."""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from urllib.parse import urlsplit

from chalicelib import settings
from chalicelib.delivery.clock import SystemClock
from chalicelib.delivery.jobclass import ClassRunner
from chalicelib.delivery.queue import SqsQueue
from chalicelib.delivery.threads import Threads
from chalicelib.delivery.topic import TopicPublisher
from chalicelib.delivery.webhook import HttpSender
from chalicelib.job_classes import Surroundings
from chalicelib.observability import JsonEvents, MeteredLog
from chalicelib.ports import AccountStore, KeyStore, Logins, Rules, Services
from chalicelib.scheduling.address import AddressPolicy, Reach
from chalicelib.scheduling.lane import Share
from chalicelib.storage.accounts import DynamoAccounts, DynamoKeys, RecentAccounts, RecentKeys
from chalicelib.storage.audit import DynamoAudit
from chalicelib.storage.executions import DynamoExecutions, DynamoFirings
from chalicelib.storage.jobs import DynamoJobs, DynamoNextFires
from chalicelib.storage.ledger import DynamoLedger
from chalicelib.storage.logins import DynamoLogins
from chalicelib.storage.passwords import Argon2Passwords
from chalicelib.storage.tables import Table
from chalicelib.storage.vault import KmsVault
from chalicelib.wire import DYNAMODB, KMS, SQS, Service, Wire
from chalicelib.wire import Surroundings as Aws

SHELL_JOB = "chalicelib.job_classes.shell_job.ShellJob"
CLASS_MARGIN = timedelta(seconds=10)  # of the worker's time-out: for claiming and recording around a job class's run
SHORTEST_RUN = timedelta(seconds=5)
BUSY = 5  # processes of the API that one account may keep busy: each counts for itself, and has its part of the share


@cache
def environment() -> settings.Settings:
    """The settings of this process."""
    return settings.from_environment()


@cache
def api_services() -> Services:
    """For the API: accounts and keys as they are now."""
    now = environment()
    table = Table(_wire(DYNAMODB, now), now.accounts_table)
    ours = build(now, accounts=DynamoAccounts(table), keys=DynamoKeys(table), logins=DynamoLogins(table))
    return replace(ours, share=Share(max(now.share // BUSY, 1) if now.share else None))


@cache
def worker_services() -> Services:
    """For the tick and the workers: accounts and keys as they were at most seconds ago."""
    now, clock = environment(), SystemClock()
    table = Table(_wire(DYNAMODB, now), now.accounts_table)
    accounts, keys = RecentAccounts(table, clock), RecentKeys(table, clock)
    return build(now, accounts=accounts, keys=keys, logins=DynamoLogins(table))


@cache
def ledger() -> DynamoLedger:
    """Every account's claims, for the reconciliation alone."""
    now = environment()
    wire = _wire(DYNAMODB, now)
    return DynamoLedger(Table(wire, now.accounts_table), Table(wire, now.jobs_table), shards=now.shards)


def build(now: settings.Settings, *, accounts: AccountStore, keys: KeyStore, logins: Logins) -> Services:
    """Every port, filled."""
    clock = SystemClock()
    jobs = Table(_wire(DYNAMODB, now), now.jobs_table)
    addresses = AddressPolicy(
        reach=Reach.LOCAL if now.local else Reach.PUBLIC, own_hosts=now.own_hosts, own_ports=_own_ports(now)
    )
    webhooks = HttpSender(addresses)
    limit = max(now.worker_timeout - CLASS_MARGIN, SHORTEST_RUN)
    surroundings = Surroundings(webhooks=webhooks, slack_url=now.slack_url, limit=limit)
    return Services(
        clock=clock,
        crew=Threads(),
        accounts=accounts,
        keys=keys,
        logins=logins,
        passwords=Argon2Passwords(),
        jobs=DynamoJobs(jobs, shards=now.shards, retention=now.retention),
        firings=DynamoFirings(jobs, clock, shards=now.shards, retention=now.retention, by_job=now.by_job_history),
        executions=DynamoExecutions(jobs),
        next_fires=DynamoNextFires(jobs, shards=now.shards),
        audit=DynamoAudit(jobs, retention=now.retention),
        queue=SqsQueue(_wire(SQS, now), jobs_url=now.queue_url, retries_url=now.retry_queue_url, fair=now.fair_queues),
        vault=KmsVault(_wire(KMS, now), now.key_id, clock),
        webhooks=webhooks,
        classes=ClassRunner(surroundings, forbidden=() if now.shell_jobs else (SHELL_JOB,)),
        topics=TopicPublisher(endpoint=now.aws_endpoint or ""),
        events=JsonEvents(MeteredLog(now.stage)),
        rules=Rules(
            retention=now.retention,
            lease=now.worker_timeout,
            jobs_per_account=now.jobs_per_account,
            history_by_job=now.by_job_history,
            runlater_strict=now.runlater_strict,
            addresses=addresses,
        ),
        share=Share(now.share),
    )


def _own_ports(now: settings.Settings) -> frozenset[int]:
    """The local engine's: to it, every call on this machine is an administrator's."""
    port = urlsplit(now.aws_endpoint).port if now.aws_endpoint else None
    return frozenset({port} if port else ())


def _wire(service: Service, now: settings.Settings) -> Wire:
    return Wire(service, Aws(region=now.region, credentials=now.credentials, endpoint=now.aws_endpoint))
