"""Receivers that mean harm, in a process of their own: what a tenant's webhooks may run into.

    python -m benchmarks.chaos.hostile

It prints one line of JSON, the URL of each by its name, when all listen, and ends when its standard input does. Their
scripts are the tests' (tests/delivery/receivers.py).
"""

import json
import sys
from contextlib import ExitStack
from typing import Final

from benchmarks.services import free_port
from tests.delivery import receivers

HOSTILE: Final = {
    "hangs": receivers.silent,
    "drips": receivers.dripping_body,
    "redirects to a private address": receivers.answering(
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n"
    ),
    "answers with a gigabyte": receivers.a_gigabyte,
    "resets": receivers.reset_after_request,
    "answers with garbage": receivers.saying(b"\x16\x03\x01 this is no HTTP \x00\xff\r\n\r\n"),
}


def main() -> None:
    """Serves until standard input ends."""
    with ExitStack() as running:
        urls = {name: running.enter_context(receivers.receiver(script)).url() for name, script in HOSTILE.items()}
        urls["refuses"] = f"http://127.0.0.1:{free_port()}/hook"
        print(json.dumps(urls), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
