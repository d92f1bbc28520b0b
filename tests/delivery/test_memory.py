"""T54: what a receiver can make a worker take, measured by the operating system on a process of its own."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.delivery import receivers
from tests.delivery.calling import STATUS
from tests.delivery.receivers import OK, Script, answering, receiver
from tests.delivery.test_hostile import BOMB, GZIPPED, flooding

pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="how much memory a process took is asked of Linux")

MOST = 10 * 1024 * 1024
GRACE = 0.5


def called(script: Script) -> dict[str, Any]:
    with receiver(answering(OK)) as well, receiver(script) as here:
        command = [sys.executable, "-m", "tests.delivery.calling", well.url(), here.url()]
        said = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    told: dict[str, Any] = json.loads(said.stdout)
    return told


@pytest.mark.parametrize(
    ("script", "kind", "kept"),
    [
        pytest.param(receivers.a_gigabyte, "delivered", 8192, id="1 GB of body"),
        pytest.param(receivers.a_gigabyte_without_length, "delivered", 8192, id="1 GB of body, unannounced"),
        pytest.param(receivers.saying(GZIPPED + BOMB), "delivered", 8192, id="a gzip bomb"),
        pytest.param(flooding(b"X: 1\r\n", first=b"HTTP/1.1 200 OK\r\n"), "protocol", 0, id="headers for ever"),
        pytest.param(flooding(b"x" * 60, first=b"HTTP/1.1 200 "), "protocol", 0, id="a status line for ever"),
        pytest.param(receivers.endless_chunk_extensions, "protocol", None, id="chunk extensions for ever"),
        pytest.param(receivers.endless_continue_fast, "protocol", 0, id="100 Continue for ever"),
    ],
)
def test_t54_a_call_takes_less_than_ten_megabytes_whatever_comes(script: Script, kind: str, kept: int | None) -> None:
    told = called(script)
    assert (told["kind"], told["kept"] if kept is not None else None) == (kind, kept)
    assert told["kept"] <= 8192
    assert told["grown"] < MOST
    assert told["took"] <= 1 + GRACE


def test_the_measure_sees_memory_that_is_taken() -> None:
    """Else none of the above could fail."""
    code = "from tests.delivery.calling import peak; a = peak(); b = bytearray(b'x') * 2**25; print(peak() - a > 2**24)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert said.stdout == "True\n"
