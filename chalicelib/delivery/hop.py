"""One request on its way, and the one that a redirect turns it into. Pure.

When a redirect leaves the host, everything that proves who we are stays behind: the signatures, `webhook-id` with its
time, and the owner's own headers, which may be credentials. A change of port or a step down to http counts as leaving;
the step up from port 80 to 443 does not. Within the host the request is signed anew, over the body that is sent, while
rlatr's signature keeps covering the URL as it was given.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote, urljoin

from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from chalicelib import signing
from chalicelib.scheduling.address import KEPT_IN_TARGET, AddressPolicy, Place, read_url
from chalicelib.scheduling.secret import Secret
from chalicelib.scheduling.target import Signing, Webhook

Headers = tuple[tuple[str, str], ...]
Signer = Callable[[bytes], Headers]

REDIRECTS = frozenset((301, 302, 303, 307, 308))
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A request: where to, what, and who signs it. `headers` are the owner's own."""

    place: Place
    method: str
    body: bytes
    content_type: str
    headers: Headers
    sign: Signer

    def wire_headers(self) -> Headers:
        """All headers that are ours to write; the owner's take the place of a default of the same name."""
        defaults = {"user-agent": ("User-Agent", "belltower"), "accept-encoding": ("Accept-Encoding", "identity")}
        if self.body and self.content_type:
            defaults["content-type"] = ("Content-Type", self.content_type)
        for name, _ in self.headers:
            defaults.pop(name.lower(), None)
        return (("Host", self.place.authority), *defaults.values(), *self.headers, *self.sign(self.body))

    def redirected(self, status: int, location: str, policy: AddressPolicy) -> "Hop":
        """The request that an absolute `location` asks for; raises Invalid where no webhook may go."""
        place = read_url(location, policy=policy)
        hop = replace(self, place=place)
        if not same_receiver(self.place, place):
            hop = replace(hop, headers=(), sign=unsigned)
        if (status == 303 and self.method != "HEAD") or (status in {301, 302} and self.method == "POST"):  # noqa: PLR2004
            return hop.bodiless()
        return hop

    def bodiless(self) -> "Hop":
        """The same as a GET."""
        headers = tuple(pair for pair in self.headers if pair[0].lower() != "content-type")
        return replace(self, method="GET", body=b"", content_type="", headers=headers)


def first_hop(
    webhook: Webhook, policy: AddressPolicy, *, message_id: str, timestamp: datetime, secrets: Sequence[Secret]
) -> Hop:
    """The request a webhook asks for; raises Invalid where no webhook may go (any more)."""
    return Hop(
        place=read_url(webhook.url, policy=policy),
        method=webhook.method,
        body=webhook.body,
        content_type=webhook.content_type,
        headers=webhook.headers,
        sign=signer(webhook, message_id=message_id, timestamp=int(timestamp.timestamp()), secrets=secrets),
    )


def signer(webhook: Webhook, *, message_id: str, timestamp: int, secrets: Sequence[Secret]) -> Signer:
    """The headers that say which firing this is and, with secrets, prove it. Source: Standard Webhooks; seeds/001.

    `webhook-signature` has one value for each secret, a space between them: a receiver that knows any of them is
    satisfied. rlatr's has room for one, the newest.
    """
    named = (("webhook-id", message_id), ("webhook-timestamp", str(timestamp)))
    if not secrets:
        return lambda _body: named
    texts = [secret.reveal() for secret in secrets]
    keys = [signing.webhook_key(text) for text in texts]
    own: Headers = ()
    if webhook.signing is Signing.RLATR:
        own = (("X-RLatr-Signature", signing.url_secret_sha1(webhook.url, texts[0])),)

    def sign(body: bytes) -> Headers:
        proofs = (signing.standard_webhook(key, message_id=message_id, timestamp=timestamp, body=body) for key in keys)
        return (*named, ("webhook-signature", " ".join(proofs)), *own)

    return sign


def unsigned(_body: bytes) -> Headers:
    """No proof, for a host that nobody named to us."""
    return ()


def same_receiver(before: Place, after: Place) -> bool:
    """Whether a redirect stays with the receiver it came from."""
    if before.host != after.host:
        return False
    stepped_up = (before.scheme, before.port, after.scheme, after.port) == ("http", 80, "https", 443)
    return stepped_up or (before.scheme, before.port) == (after.scheme, after.port)


def absolute(place: Place, location: str) -> str:
    """A Location header, which http.client read as Latin-1, as the absolute URL it means at `place`."""
    text = quote(location, safe=KEPT_IN_TARGET, encoding="latin-1")
    if SCHEME.match(text):
        return text
    if text.startswith("//"):
        return f"{place.scheme}:{text}"
    return f"{place.scheme}://{place.authority}{urljoin(place.target, text)}"


def host_of(location: str) -> str:
    """All that is told of a Location that was not followed: its host. The rest may hold secrets."""
    try:
        return parse_url(location).host or "no host"
    except LocationValueError:
        return "no host"
