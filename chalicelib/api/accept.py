"""Content negotiation: which of the offered media types an Accept header likes best. Source: RFC 9110, 12.5.1.

Lenient where that is harmless: `q=.5` is 0.5, `*` is `*/*`, an element that is no media range says nothing. A quality
that is no number from 0 to 1 is 0. Parameters such as charset take no part in the matching.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps

from chalicelib.api.dialect import View
from chalicelib.api.http import Request, Response
from chalicelib.ports import Services
from chalicelib.scheduling.errors import BelltowerError, Invalid

Negotiated = Callable[[Services, Request, str], Response]

RANGE = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")
QUALITY = re.compile(r"0(?:\.[0-9]*)?|\.[0-9]+|1(?:\.0*)?")


class NotAcceptable(Invalid):
    """Accept names nothing that this call can answer in."""


def offering(offers: Sequence[str], *, errors: Sequence[str]) -> Callable[[Negotiated], View]:
    """Tells a view the media type of its answer, one of `offers`; where it answers nothing there are none.

    What it raises is marked with the type to say it in, one of `errors`: a dialect's render_error is told nothing else.
    """

    def decorated(view: Negotiated) -> View:
        @wraps(view)
        def negotiated(services: Services, request: Request) -> Response:
            accept = ", ".join(request.headers.get("accept", []))
            media = best(accept, offers)
            spoken = media or best(accept, errors) or (*offers, *errors)[0]
            try:
                if offers and media is None:
                    raise NotAcceptable("", f"Accept must take one of {', '.join(offers)}")
                return view(services, request, spoken)
            except BelltowerError as error:
                error.add_note(spoken)
                raise

        return negotiated

    return decorated


def noted(error: BelltowerError) -> str | None:
    """The media type to say an error in; None: no view was reached."""
    return next(iter(getattr(error, "__notes__", ())), None)


def best(accept: str, offers: Sequence[str]) -> str | None:
    """The offer with the highest quality, the first of several; without a header the first of all. None: not one."""
    if not accept.strip():
        return next(iter(offers), None)
    wishes = qualities(accept)
    liked = [(quality(wishes, offer), offer) for offer in offers]
    most = max((value for value, _ in liked), default=0.0)
    return next((offer for value, offer in liked if value == most), None) if most else None


def quality(wishes: Mapping[str, float], offer: str) -> float:
    """What the most specific range that fits an offer says of it; 0 where none does."""
    kind = offer.partition("/")[0]
    return next((wishes[one] for one in (offer, f"{kind}/*", "*/*") if one in wishes), 0.0)


def qualities(accept: str) -> Mapping[str, float]:
    """Each media range of a header with its quality; of one that is there twice, the higher."""
    wishes: dict[str, float] = {}
    for element in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in element.split(";"))
        media = "*/*" if kind == "*" else kind
        if RANGE.fullmatch(media):
            wishes[media] = max(wishes.get(media, 0.0), _quality(parameters))
    return wishes


def _quality(parameters: Sequence[str]) -> float:
    pairs = (parameter.partition("=") for parameter in parameters)
    given = [value.strip() for name, _, value in pairs if name.strip() == "q"]
    if not given:
        return 1.0
    return float(given[0]) if QUALITY.fullmatch(given[0]) else 0.0
