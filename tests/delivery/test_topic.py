"""Publishing with the owner's keys, and with nothing that the surroundings of this process offer: T25 at send."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from chalicelib.delivery.topic import TopicPublisher
from chalicelib.scheduling.execution import OutcomeKind
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import AwsKeys, Topic
from tests.delivery import receivers
from tests.delivery.authority import Authority
from tests.delivery.receivers import Names, Receiver, Script, answering, receiver, silent

KEYS = AwsKeys(access_key_id="AKIAJOBOWNER00000001", secret_access_key=Secret("owner's secret"))
MESSAGE_ID = "567910cd-659e-55d4-8ccb-5aaf14679dc0"
PUBLISHED = f"""<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>
<MessageId>{MESSAGE_ID}</MessageId></PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</PublishResponse>"""
REFUSED = """<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>
<Code>AuthorizationError</Code><Message>User: arn:aws:iam::123456789012:user/me is not authorized</Message></Error>
<RequestId>1</RequestId></ErrorResponse>"""

LIMIT, GRACE = timedelta(seconds=0.6), timedelta(seconds=0.5)

Publisher = Callable[[Receiver], TopicPublisher]


def xml(status: str, text: str) -> Script:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(text)}\r\n\r\n"
    return answering((head + text).encode())


def a_topic(region: str = "eu-west-1", message: str = "hello") -> Topic:
    return Topic(arn=f"arn:aws:sns:{region}:123456789012:news", region=region, message=message, keys=KEYS)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made: list[TopicPublisher] = []

    def making(here: Receiver) -> TopicPublisher:
        made.append(TopicPublisher(endpoint=f"http://127.0.0.1:{here.port}", limit=LIMIT))
        return made[-1]

    yield making
    for one in made:
        one.close()


@pytest.fixture
def tempting_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Receiver]:
    """Everything boto3 would take from its surroundings, pointing at a trap."""
    with receiver(xml("200 OK", PUBLISHED)) as trap:
        url = f"http://127.0.0.1:{trap.port}"
        config = tmp_path / "config"
        config.write_text(f"[default]\nregion = us-west-2\nendpoint_url = {url}\nretry_mode = adaptive\n", "ascii")
        for name, value in {
            "AWS_ACCESS_KEY_ID": "AKIASERVICEROLE00001",
            "AWS_SECRET_ACCESS_KEY": "the role's secret",
            "AWS_SESSION_TOKEN": "the role's token",
            "AWS_PROFILE": "no-such-profile",
            "AWS_DEFAULT_PROFILE": "no-such-profile",
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(config),
            "AWS_ENDPOINT_URL": url,
            "AWS_ENDPOINT_URL_SNS": url,
            "AWS_REGION": "us-west-2",
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_CA_BUNDLE": str(tmp_path / "no-such-bundle"),
            "REQUESTS_CA_BUNDLE": str(tmp_path / "no-such-bundle"),
            "AWS_USE_FIPS_ENDPOINT": "true",
            "AWS_USE_DUALSTACK_ENDPOINT": "true",
            "AWS_DEFAULTS_MODE": "no-such-mode",
            "AWS_RETRY_MODE": "no-such-mode",
            "AWS_MAX_ATTEMPTS": "9",
            "AWS_DATA_PATH": str(tmp_path),
            "AWS_STS_REGIONAL_ENDPOINTS": "no-such-choice",
            "AWS_CSM_ENABLED": "true",
            "HTTP_PROXY": url,
            "http_proxy": url,
            "HTTPS_PROXY": url,
        }.items():
            monkeypatch.setenv(name, value)
        yield trap


def fields_of(request: bytes) -> tuple[dict[str, str], dict[str, list[str]]]:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines), parse_qs(body.decode("ascii"))


def test_t25_a_message_is_signed_with_the_owners_keys_whatever_the_surroundings(
    publisher: Publisher, tempting_surroundings: Receiver
) -> None:
    with receiver(xml("200 OK", PUBLISHED)) as here:
        outcome = publisher(here).publish(a_topic(message="grüße"), KEYS)
    assert (outcome.kind, outcome.status, outcome.detail) == (OutcomeKind.DELIVERED, 200, MESSAGE_ID)
    assert tempting_surroundings.accepted == 0
    head, body = fields_of(here.requests[0])
    assert head["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAJOBOWNER00000001/")
    assert "/eu-west-1/sns/aws4_request" in head["Authorization"]
    assert "X-Amz-Security-Token" not in head
    assert body["Action"] == ["Publish"]
    assert body["TopicArn"] == ["arn:aws:sns:eu-west-1:123456789012:news"]
    assert body["Message"] == ["grüße"]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "sns.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "sns.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "sns.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_t25_the_endpoint_is_the_regions_own_whatever_the_surroundings(
    tempting_surroundings: Receiver, region: str, host: str
) -> None:
    names = Names()
    publisher = TopicPublisher(resolver=names)
    outcome = publisher.publish(a_topic(region), KEYS)
    publisher.close()
    assert outcome.kind is OutcomeKind.CONNECTION
    assert set(names.asked) == {host}
    assert tempting_surroundings.accepted == 0


@pytest.mark.usefixtures("tempting_surroundings")
@pytest.mark.parametrize(("key", "secret"), [("", "x"), ("AKIA", ""), ("", ""), ("  ", "x"), ("AKIA", " ")])
def test_t25_without_keys_nothing_is_sent_and_never_as_the_role(publisher: Publisher, key: str, secret: str) -> None:
    with receiver(xml("200 OK", PUBLISHED)) as here:
        keys = AwsKeys(access_key_id=key, secret_access_key=Secret(secret))
        outcome = publisher(here).publish(a_topic(), keys)
    assert (outcome.kind, outcome.status) == (OutcomeKind.UNREADABLE, None)
    assert here.accepted == 0


def test_t25_authorities_named_by_the_surroundings_are_not_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(authority.pem, "ascii")
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(bundle))
    with receiver(xml("200 OK", PUBLISHED), tls=authority.server("127.0.0.1")) as here:
        publisher = TopicPublisher(endpoint=f"https://127.0.0.1:{here.port}")
        outcome = publisher.publish(a_topic(), KEYS)
        publisher.close()
    assert (outcome.kind, here.requests) == (OutcomeKind.TLS, [])


def test_a_refusal_has_its_status_and_code_and_not_its_text(publisher: Publisher) -> None:
    with receiver(xml("403 Forbidden", REFUSED)) as here:
        outcome = publisher(here).publish(a_topic(), KEYS)
    assert (outcome.kind, outcome.status, outcome.detail) == (OutcomeKind.REFUSED, 403, "AuthorizationError")
    assert len(here.requests) == 1


def test_a_service_that_fails_is_asked_twice(publisher: Publisher) -> None:
    with receiver(xml("500 Oops", REFUSED.replace("AuthorizationError", "InternalError"))) as here:
        outcome = publisher(here).publish(a_topic(), KEYS)
    assert (outcome.kind, outcome.status, outcome.detail) == (OutcomeKind.REFUSED, 500, "InternalError")
    assert len(here.requests) == 2


@pytest.mark.parametrize(
    ("script", "kind", "tries"),
    [
        pytest.param(silent, OutcomeKind.TIMED_OUT, 2, id="no answer"),
        pytest.param(receivers.dripping_headers, OutcomeKind.TIMED_OUT, 2, id="headers that drip"),
        pytest.param(receivers.dripping_body, OutcomeKind.TIMED_OUT, 2, id="a body that drips"),
        pytest.param(receivers.endless_continue_slowly, OutcomeKind.TIMED_OUT, 2, id="100 Continue for ever"),
        pytest.param(receivers.endless_continue_fast, OutcomeKind.PROTOCOL, 2, id="the same, as fast as it goes"),
        pytest.param(lambda connection: connection.reset(), OutcomeKind.CONNECTION, 2, id="a reset"),
        pytest.param(xml("200 OK", "not XML"), OutcomeKind.PROTOCOL, 1, id="no XML"),
        pytest.param(xml("302 Found\r\nLocation: /", ""), OutcomeKind.REFUSED, 1, id="a redirect"),
    ],
)
def test_t60_whatever_the_service_does_a_publish_ends_in_time(
    publisher: Publisher, script: Script, kind: OutcomeKind, tries: int
) -> None:
    with receiver(script) as here:
        started = time.monotonic()
        outcome = publisher(here).publish(a_topic(), KEYS)
        assert time.monotonic() - started <= (LIMIT + GRACE).total_seconds()
    assert outcome.kind is kind
    assert here.accepted in {tries, 1 if kind is OutcomeKind.PROTOCOL else tries}


def test_a_second_try_publishes_what_the_first_did_not(publisher: Publisher) -> None:
    said = (("400 X", REFUSED.replace("AuthorizationError", "Throttling")), ("200 OK", PUBLISHED))
    answers = [f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode() for status, text in said]
    with receiver(answering(*answers)) as here:
        assert publisher(here).publish(a_topic(), KEYS).detail == MESSAGE_ID
    assert len(here.requests) == 2


def test_nobody_listens(publisher: Publisher) -> None:
    with receiver(silent) as here:
        one = publisher(here)
    assert one.publish(a_topic(), KEYS).kind is OutcomeKind.CONNECTION


def test_connections_are_shared_and_keys_are_not_kept(publisher: Publisher) -> None:
    other = AwsKeys(access_key_id="AKIAANOTHER000000001", secret_access_key=Secret("another secret"))
    with receiver(xml("200 OK", PUBLISHED)) as here:
        one = publisher(here)
        for keys, region in ((KEYS, "eu-west-1"), (other, "eu-west-1"), (KEYS, "us-east-1")):
            assert one.publish(a_topic(region), keys).delivered
    assert here.accepted == 1
    scopes = [fields_of(request)[0]["Authorization"].split("=")[1].split("/") for request in here.requests]
    assert [(scope[0], scope[2]) for scope in scopes] == [
        (KEYS.access_key_id, "eu-west-1"),
        (other.access_key_id, "eu-west-1"),
        (KEYS.access_key_id, "us-east-1"),
    ]


def test_one_publisher_serves_many_threads(publisher: Publisher) -> None:
    with receiver(xml("200 OK", PUBLISHED)) as here:
        one = publisher(here)
        kinds: list[OutcomeKind] = []
        threads = [threading.Thread(target=lambda: kinds.append(one.publish(a_topic(), KEYS).kind)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert kinds == [OutcomeKind.DELIVERED] * 8
