"""The publisher of SNS messages: with the keys of the job's owner, and with nothing else that this process could have.

boto3 takes what it is not given from its surroundings: with no keys it signs as the Lambda's own role, and environment
and files may name endpoints, profiles, proxies and retry modes. So keys are checked before a client exists, the
endpoint is spelled out, and the session's variables have no names in the environment (`isolated_session`).

A client takes some 20 ms to make, so a few are kept, under a digest of their keys.
"""

import hashlib
import os
import secrets
import threading
import time
from collections import OrderedDict
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, cast

from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.target import AwsKeys, Topic

if TYPE_CHECKING:  # importing botocore takes 0.2 s: done at the first publish
    from botocore.session import Session
    from mypy_boto3_sns import SNSClient

CONNECT_TIMEOUT = 2  # seconds
READ_TIMEOUT = 5  # seconds
ATTEMPTS = 2
CLIENTS_AT_MOST = 32


class TopicPublisher:
    """Publishes to SNS topics. Safe to share between threads. `endpoint`: a local SNS instead of the region's own."""

    def __init__(self, *, endpoint: str = "", read_timeout: float = READ_TIMEOUT) -> None:
        self._endpoint = endpoint
        self._read_timeout = read_timeout
        self._lock = threading.Lock()
        self._salt = secrets.token_bytes(16)
        self._clients: OrderedDict[bytes, SNSClient] = OrderedDict()

    def publish(self, topic: Topic, keys: AwsKeys) -> Outcome:
        """Publishes once and says how it ended; a delivered one has the message id as its detail."""
        if not keys.access_key_id.strip() or not keys.secret_access_key.reveal().strip():
            return Outcome(kind=OutcomeKind.UNREADABLE, took=timedelta(0), detail="the job has no AWS keys")
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - see above

        started = time.monotonic()
        status = None
        try:
            answer = self._client(topic.region, keys).publish(TopicArn=topic.arn, Message=topic.message)
            kind, detail, status = OutcomeKind.DELIVERED, answer["MessageId"], 200
        except ClientError as refusal:
            kind, detail = OutcomeKind.REFUSED, refusal.response.get("Error", {}).get("Code", "")
            status = refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        except (BotoCoreError, ResponseParserError) as error:
            kind, detail = ending(error)
        return Outcome(kind=kind, detail=detail, status=status, took=timedelta(seconds=time.monotonic() - started))

    def close(self) -> None:
        """Closes the clients that are kept."""
        with self._lock:
            while self._clients:
                self._clients.popitem()[1].close()

    @cached_property
    def _session(self) -> "Session":
        return isolated_session()

    def _client(self, region: str, keys: AwsKeys) -> "SNSClient":
        secret = keys.secret_access_key.reveal()
        name = hashlib.blake2b(f"{region}\0{keys.access_key_id}\0{secret}".encode(), key=self._salt).digest()
        with self._lock:  # making clients from one session is not safe between threads
            if name not in self._clients:
                endpoint = self._endpoint or sns_endpoint(region)
                client = sns_client(self._session, region, keys, endpoint=endpoint, read_timeout=self._read_timeout)
                self._clients[name] = client
            self._clients.move_to_end(name)
            if len(self._clients) > CLIENTS_AT_MOST:
                self._clients.popitem(last=False)
            return self._clients[name]


def sns_client(
    session: "Session", region: str, keys: AwsKeys, *, endpoint: str, read_timeout: float = READ_TIMEOUT
) -> "SNSClient":
    """A client that signs with `keys`, calls `endpoint`, and neither asks a proxy nor tries more than twice."""
    from botocore.config import Config  # noqa: PLC0415 - see above

    client = session.create_client(
        "sns",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key.reveal(),
        verify=True,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=read_timeout,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            proxies={},
        ),
    )
    return cast("SNSClient", client)


def sns_endpoint(region: str) -> str:
    """The region's own endpoint."""
    return f"https://sns.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


def isolated_session() -> "Session":
    """A botocore session that reads no variable of the environment and no file of the user's."""
    from botocore.session import Session  # noqa: PLC0415 - see above

    defaults = {name: default for name, (_, _, default, _) in Session.SESSION_VARIABLES.items()}
    defaults |= {"config_file": os.devnull, "credentials_file": os.devnull}
    return Session(session_vars={name: (None, None, default, None) for name, default in defaults.items()})


def ending(error: Exception) -> tuple[OutcomeKind, str]:
    """What a failure without an answer means to the job's owner."""
    from botocore import exceptions as boto  # noqa: PLC0415 - see above

    match error:
        case boto.ConnectTimeoutError() | boto.ReadTimeoutError():
            return OutcomeKind.TIMED_OUT, "no answer in time"
        case boto.SSLError():
            return OutcomeKind.TLS, "no TLS connection"
        case boto.HTTPClientError() | boto.ConnectionError():
            return OutcomeKind.CONNECTION, "no connection"
        case _:
            return OutcomeKind.PROTOCOL, type(error).__name__
