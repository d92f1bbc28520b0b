"""The work that every system is given, the same for all: what one firing sends, and where.

Nothing but the standard library: the scripts of the peers import this from virtual environments of their own.
"""

import json
from typing import Final

LENGTH: Final = 180
"""Bytes of a firing's body."""
HEADERS: Final = {"Content-Type": "application/json"}


def path(number: int) -> str:
    """Where job `number` posts to."""
    return f"/{number}"


def payload(number: int) -> bytes:
    """What job `number` posts: LENGTH bytes of JSON."""
    empty = json.dumps({"id": number, "text": ""})
    return json.dumps({"id": number, "text": "x" * (LENGTH - len(empty))}).encode()
