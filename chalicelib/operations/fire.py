"""One attempt: what goes with it is made ready before the claim, then sent at its time."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.ports import Services
from chalicelib.scheduling.account import Account, ApiKey
from chalicelib.scheduling.errors import Tampered
from chalicelib.scheduling.execution import Execution, ExecutionState, Outcome, OutcomeKind
from chalicelib.scheduling.job import Definition, JobRef
from chalicelib.scheduling.secret import Sealed, Secret
from chalicelib.scheduling.target import AwsKeys, Callback, JobClass, Topic, Webhook

CALLBACK_TIMEOUT = timedelta(seconds=15)
SHARE, CALLBACK_SHARE = 2, 4  # of the worker's time-out: what is left of it claims, records and waits for the second
BEGINS_WITHIN = 0.4  # of it: a call that begins later might not end and be recorded in what is left


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The secrets of one attempt in the clear: what signs it, what publishes it; or why they cannot be read.

    `secrets`: the newest first, two while their key is rotated, none once it is gone.
    """

    secrets: tuple[Secret, ...] = ()
    keys: AwsKeys | None = None
    unreadable: str = ""


def load(services: Services, definition: Definition) -> Loaded | None:
    """Opens a job's secrets; None where its account is gone.

    Raises Unavailable while the key service is away and the account's key is not cached.
    """
    account = services.accounts.account(definition.ref.account_id)
    if account is None:
        return None
    try:
        match definition.target:
            case Topic(keys=Sealed() as sealed):
                opened = services.vault.open(account, keys_place(definition.ref), sealed)
                return Loaded(keys=unpacked(opened), secrets=_signing_secrets(services, account, definition))
            case _:
                return Loaded(secrets=_signing_secrets(services, account, definition))
    except Tampered as error:
        services.events.emit("tampered", account=account.account_id, job=definition.ref.job_id, reason=str(error))
        return Loaded(unreadable="its secrets cannot be read")


def fire(services: Services, definition: Definition, loaded: Loaded, *, firing_id: str, sent_at: datetime) -> Outcome:
    """Sends one attempt. The firing's id goes with it, the same at every attempt.

    A call never takes more than half of the worker's own time-out, so that a receiver that hangs is recorded as such,
    and does not look like a worker that died.
    """
    if loaded.unreadable:
        return Outcome(kind=OutcomeKind.UNREADABLE, took=timedelta(0), detail=loaded.unreadable)
    match definition.target:
        case Webhook() as webhook:
            most = services.rules.lease / SHARE
            webhook = replace(webhook, timeout=most) if webhook.timeout > most else webhook
            owner, secrets = definition.ref.account_id, loaded.secrets
            return services.webhooks.send(
                webhook, message_id=firing_id, timestamp=sent_at, secrets=secrets, owner=owner
            )
        case JobClass() as job_class:
            return services.classes.run(job_class, definition.ref, execution_id=firing_id)
        case Topic() as topic if loaded.keys:
            return services.topics.publish(topic, loaded.keys)
    return Outcome(kind=OutcomeKind.UNREADABLE, took=timedelta(0), detail="the job has no keys to publish with")


def call_back(services: Services, callback: Callback, loaded: Loaded, *, execution: Execution) -> Outcome:
    """Posts how it ended, once; redirects are not followed. Source: seeds/001 "Callbacks"."""
    delivered = execution.state is ExecutionState.DELIVERED
    webhook = Webhook(
        url=callback.url,
        body=callback.delivered if delivered else callback.failed,
        content_type=callback.content_type,
        timeout=min(CALLBACK_TIMEOUT, services.rules.lease / CALLBACK_SHARE),
        signing=callback.signing,
    )
    now, message_id, owner = services.clock.now(), f"{execution.firing_id}-callback", execution.ref.account_id
    return services.webhooks.send(webhook, message_id=message_id, timestamp=now, secrets=loaded.secrets, owner=owner)


def sealed(services: Services, account: Account, definition: Definition) -> Definition:
    """The definition with its target's keys encrypted for this job."""
    match definition.target:
        case Topic(keys=AwsKeys() as keys) as topic:
            box = services.vault.seal(account, keys_place(definition.ref), packed(keys))
            return replace(definition, target=replace(topic, keys=box))
    return definition


def keys_place(ref: JobRef) -> str:
    """Where a job's AWS keys are kept: what their ciphertext is bound to."""
    return f"job/{ref.job_id}/keys"


def secret_place(key: str) -> str:
    """Where an API key's secret is kept: what its ciphertext is bound to."""
    return f"key/{key}/secret"


def previous_place(key: str) -> str:
    """Where the secret before the last rotation is kept: neither opens in the place of the other."""
    return f"key/{key}/previous"


def live_secrets(services: Services, account: Account, key: ApiKey) -> tuple[Secret, ...]:
    """What proves and signs for a key now, the newest first."""
    newest = services.vault.open(account, secret_place(key.key), key.secret)
    previous = key.previous_at(services.clock.now())
    if previous is None:
        return (newest,)
    return (newest, services.vault.open(account, previous_place(key.key), previous.secret))


def packed(keys: AwsKeys) -> Secret:
    """Both halves of a pair of AWS keys as one secret."""
    return Secret(json.dumps([keys.access_key_id, keys.secret_access_key.reveal()]))


def unpacked(secret: Secret) -> AwsKeys:
    """The pair of AWS keys in one secret."""
    access_key_id, secret_access_key = json.loads(secret.reveal())
    return AwsKeys(access_key_id=access_key_id, secret_access_key=Secret(secret_access_key))


def _signing_secrets(services: Services, account: Account, definition: Definition) -> tuple[Secret, ...]:
    """Those of the key that made the job, as it is now; a worker knows it as it was at most ten seconds ago."""
    key = services.keys.get(definition.key)
    if key is None or key.account_id != account.account_id:
        return ()
    return live_secrets(services, account, key)
