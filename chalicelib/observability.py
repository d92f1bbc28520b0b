"""What the operator sees: one line of JSON for each event, with its name, ids and numbers. Never a secret, never lost.

Lines are escaped to ASCII, so that a name with a newline, a terminal's escape code or half a surrogate stays one line
of valid JSON.
"""

import json
import sys
from typing import TextIO


class JsonEvents:
    """Events on a stream: Lambda's standard output goes to its log group."""

    def __init__(self, stream: TextIO | None = None, **always: str) -> None:
        self._stream, self._always = stream, always

    def emit(self, event: str, **facts: str | float | None) -> None:
        """One line."""
        line = {"event": event, **self._always, **{name: fact for name, fact in facts.items() if fact is not None}}
        print(json.dumps(line), file=self._stream or sys.stdout, flush=True)
