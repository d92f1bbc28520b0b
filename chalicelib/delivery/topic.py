"""The publisher of SNS messages: with the keys of the job's owner, and with nothing else that this process could have.

An SDK takes what it is not given from its surroundings: without keys it signs as the Lambda's own role, and environment
and files may name endpoints, profiles, proxies and authorities. Here is nothing of that. A publish is one signed POST
to the region's own host, over the connections that webhooks use, and one deadline holds for both of its tries.

It is tried twice where SNS had no time for it, or did not answer: a message may come twice then, as any firing may.
"""

import re
import time
from datetime import timedelta
from urllib.parse import urlencode

from chalicelib import signing
from chalicelib.delivery.deadline import Deadline
from chalicelib.delivery.exchange import FAILURES, Answer, Exchanges, Pairs, Request, ending
from chalicelib.delivery.guard import Lookups, Resolver, preferred
from chalicelib.scheduling.address import AddressPolicy, IPAddress, Place, Reach, read_url
from chalicelib.scheduling.execution import Outcome, OutcomeKind
from chalicelib.scheduling.target import AwsKeys, Topic
from chalicelib.wire import own_endpoint

LIMIT = timedelta(seconds=10)  # for both tries
PATIENCE = 0.5  # the share of it that the first try may take
TRIES = 2
OK, THEIR_FAULT = 200, 500
FORM = "application/x-www-form-urlencoded; charset=utf-8"
BUSY = frozenset({"Throttling", "ThrottlingException", "ThrottledException", "Throttled", "RequestThrottled"})

# The answers' XML has been the same since 2010, and two of its words are all that is asked for.
MESSAGE_ID = re.compile(rb"<MessageId>([0-9A-Za-z-]{1,100})</MessageId>")
ERROR_CODE = re.compile(rb"<Code>([0-9A-Za-z._-]{1,100})</Code>")

Ending = tuple[OutcomeKind, str, int | None]
"""Kind, detail and status of an Outcome."""


class TopicPublisher:
    """Publishes to SNS topics. Safe to share between threads. `endpoint`: a local SNS instead of the regions' own.

    `resolver` and `ca_pem` (one trusted authority instead of the system's) are for tests and closed networks.
    """

    def __init__(
        self, *, endpoint: str = "", limit: timedelta = LIMIT, resolver: Resolver | None = None, ca_pem: str = ""
    ) -> None:
        self._endpoint, self._limit = endpoint, limit
        self._lookups = Lookups(resolver)
        self._exchanges = Exchanges(self._choose, ca_pem=ca_pem)

    def publish(self, topic: Topic, keys: AwsKeys) -> Outcome:
        """Publishes once and says how it ended; a delivered one has the message id as its detail."""
        if not keys.access_key_id.strip() or not keys.secret_access_key.reveal().strip():
            return Outcome(kind=OutcomeKind.UNREADABLE, took=timedelta(0), detail="the job has no AWS keys")
        whole = Deadline(self._limit)
        kind, detail, status = self._tried(topic, keys, Deadline(self._limit * PATIENCE))
        if again(kind, detail, status):
            kind, detail, status = self._tried(topic, keys, whole)
        return Outcome(kind=kind, detail=detail, status=status, took=whole.took())

    def close(self) -> None:
        """Closes the connections that are kept and lets go of the resolver's threads."""
        self._exchanges.close()
        self._lookups.close()

    def _tried(self, topic: Topic, keys: AwsKeys, deadline: Deadline) -> Ending:
        place = sns_place(self._endpoint or own_endpoint("sns", topic.region))
        fields = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic.arn, "Message": topic.message}
        body = urlencode(fields).encode()
        try:
            headers = signed_headers(place, topic.region, keys, body)
            return read(self._exchanges.make(Request(place=place, method="POST", headers=headers, body=body), deadline))
        except FAILURES as error:
            return *ending(error), None

    def _choose(self, place: Place, deadline: Deadline) -> IPAddress:
        """Whatever the name says: it is AWS's own, and inside a VPC its address may be a private one."""
        return preferred(self._lookups.addresses(place, deadline))


def sns_place(endpoint: str) -> Place:
    """Where SNS answers: a region's own host, or an engine on this machine."""
    return read_url(endpoint, policy=AddressPolicy(reach=Reach.LOCAL))


def signed_headers(place: Place, region: str, keys: AwsKeys, body: bytes) -> Pairs:
    """All headers of a publish, signed with the owner's keys."""
    headers = {"Host": place.authority, "Content-Type": FORM}
    credentials = signing.AwsCredentials(
        access_key_id=keys.access_key_id, secret_access_key=keys.secret_access_key.reveal()
    )
    scope = signing.AwsScope(region=region, service="sns")
    proof = signing.aws_headers(credentials, scope, headers=headers, body=body, now=time.time())
    return tuple({**headers, **proof, "User-Agent": "belltower", "Accept-Encoding": "identity"}.items())


def read(answer: Answer) -> Ending:
    """What SNS answered; of a refusal the code, for its text may name what is its owner's alone."""
    if answer.broken:
        return *ending(answer.broken), None
    if answer.status == OK:
        published = MESSAGE_ID.search(answer.body)
        if published is None:
            return OutcomeKind.PROTOCOL, "the answer is not SNS's", None
        return OutcomeKind.DELIVERED, published[1].decode(), OK
    code = ERROR_CODE.search(answer.body)
    return OutcomeKind.REFUSED, code[1].decode() if code else "", answer.status


def again(kind: OutcomeKind, detail: str, status: int | None) -> bool:
    """Whether a second try may end otherwise."""
    if kind in {OutcomeKind.TIMED_OUT, OutcomeKind.CONNECTION}:
        return True
    return kind is OutcomeKind.REFUSED and ((status or 0) >= THEIR_FAULT or detail in BUSY)
