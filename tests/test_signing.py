"""T01: golden vectors of the protocols we speak, and T06: how an inbound proof may not be spelled."""

import base64

import pytest

from chalicelib import signing
from chalicelib.scheduling.secret import Secret

WHSEC = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_t01_rlatr_signature_of_its_own_document() -> None:
    assert signing.url_secret_sha1("http://myapp.com/do/something", "12345") == "ZriJ80klaSFl7aCc8U2Ndam4E4I="


def test_t01_standard_webhooks_vector_of_the_reference_libraries() -> None:
    signature = signing.standard_webhook(
        signing.webhook_key(WHSEC),
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_t01_runlater_interval_vector_of_its_own_client() -> None:
    assert signing.b64(signing.hmac_sha1(b"pizza", b"2 hOurs")) == "MU2BRka4KIkm4n0ApvfN5kziDpk="


def test_t01_cronally_vector_of_its_own_document() -> None:
    key = signing.unb64("h/Be+K0LvQxanvcabBL5Pjg3HL8g7CekNkG090he6rk=")
    assert key is not None
    proof = signing.hmac_sha256(key, b"/account/GET200601021504")
    assert signing.b64(proof) == "cZB+B8398Tv7rxdnYzVNxzF9fs54B5hPmFFWwWP8Oqc="
    assert proof.hex() == "71907e07cdfdf13bfbaf176763354dc7317d7ece7807984f985156c163fc3aa7"


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        pytest.param(WHSEC, base64.b64decode(WHSEC), id="a base64 secret is decoded"),
        pytest.param("12345", b"12345", id="a secret that is no base64 is its own bytes"),
        pytest.param("clé", "clé".encode(), id="a secret may be any text"),
    ],
)
def test_the_webhook_key_of_a_secret(secret: str, key: bytes) -> None:
    assert signing.webhook_key(secret) == key


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("QUJ D", id="white space inside"),
        pytest.param("QUJD\n", id="a newline at the end"),
        pytest.param("QUI", id="missing padding"),
        pytest.param("QUJ=", id="spare bits set"),
        pytest.param("QUJDé", id="non-ASCII letters"),
        pytest.param("QUJ_", id="the alphabet for URLs"),
        pytest.param("=", id="padding alone"),
    ],
)
def test_t06_base64_that_is_not_canonical_is_no_proof(text: str) -> None:
    assert signing.unb64(text) is None


@pytest.mark.parametrize("text", ["0", "zz", "ää", "0 0"])
def test_t06_hex_that_is_not_hex_is_no_proof(text: str) -> None:
    assert signing.unhex(text) is None


def test_what_is_canonical_decodes_to_its_bytes() -> None:
    assert signing.unb64("QUJD") == b"ABC"
    assert signing.unhex("414243") == b"ABC"


def test_t42_a_secret_does_not_print() -> None:
    secret = Secret(WHSEC)
    assert WHSEC not in f"{secret} {secret!r} {secret:>80}"
