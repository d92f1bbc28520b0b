"""`make run`: the whole system on this machine, nothing but Python needed.

In order: package the app, start the embedded AWS, deploy into it what would go to AWS, serve the API. A step whose
result is there is skipped, so a second start takes seconds. What is kept lies in `.local/`: `state` and `s3` (the
engine's data), `log` (its log, and what the functions print), `code` (unpacked functions), `scratch` (emptied at each
start).

Progress goes to stdout, one line a step; the line that starts with READY is the last before requests are answered. What
goes wrong is said in one line on stderr, with what to do, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy import Deployment
from infra.local import engine, patches, snapshot
from infra.local.stack import deploy_locally
from infra.package import ROOT, Artifact, PackagingError, package
from infra.stacks import DeployError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_STARTED: Final = time.monotonic()


class BadSettingError(Exception):
    """A variable cannot mean a port."""


class AlreadyRunningError(Exception):
    """Another engine works on the same data."""


def main(arguments: list[str]) -> int:
    """Runs Belltower on this machine until Ctrl-C or SIGTERM. Exits with 0 then, with 1 if it could not start."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.run", description=main.__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / ".local", help="where the data is kept")
    parser.add_argument("--project", type=Path, default=ROOT, help="the folder of app.py")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the loop takes both signals
    try:
        options = _options(os.environ, given.home.absolute())
    except BadSettingError as error:
        return _fail(str(error))
    try:
        with _only_one(options.home):
            engine.require_ports(options)
            patches.require_version()
            artifact = package(given.project.absolute(), say=_say)
            engine.prepare(options)
            asyncio.run(_run(options, artifact))
    except snapshot.BrokenStateError as error:
        return _fail(f"the data in {options.home} is damaged: {error}. Remove {options.home} to start afresh")
    except (AlreadyRunningError, engine.PortInUseError, patches.WrongVersionError) as error:
        return _fail(str(error))
    except (PackagingError, DeployError, BotoCoreError, ClientError) as error:
        return _fail(f"{error}. The log is {options.log}")
    except OSError as error:
        return _fail(f"{error.strerror}: {error.filename}")
    except KeyboardInterrupt:
        _say("stopped before anything was started")
    return 0


def _options(environment: Mapping[str, str], home: Path) -> engine.Options:
    front, port = _port(environment, "PORT", 8000), _port(environment, "ENGINE_PORT", 4566)
    if front == port:
        raise BadSettingError(f"PORT and ENGINE_PORT are both {port}: choose two")
    return engine.Options(home=home, front_port=front, port=port)


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 65535:  # noqa: PLR2004 - the last port
        raise BadSettingError(f"{name}={text} is no port: give a number from 1 to 65535")
    return int(text)


def _only_one(home: Path) -> IO[str]:
    """Holds the data for this process until it ends, however it ends."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)  # all that the engine keeps is in there, keys and secrets too
    held = (home / "lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.close()
        raise AlreadyRunningError(f"another `make run` works on {home}: stop it first") from error
    return held


async def _run(options: engine.Options, artifact: Artifact) -> None:
    moments = engine.Moments()
    engine.stop_on_signals(moments.stop)
    watch = [asyncio.create_task(engine.stop_with_parent(moments.stop))] if "MAKELEVEL" in os.environ else []
    _say("engine: starting")
    serving = asyncio.create_task(engine.serve(options, moments))
    try:
        if await _first(serving, moments.started.wait()) and await _first(
            serving, _in_thread(lambda: _deploy(options, artifact))
        ):
            moments.settled.set()
            _ready(options)
    except BaseException:
        moments.stop.set()
        await serving
        raise
    await serving
    for task in watch:
        task.cancel()
    _say(f"stopped, data kept in {options.home}")


async def _first(serving: asyncio.Task[None], step: Awaitable[object]) -> bool:
    """Whether `step` came to its end before the engine did."""
    task: asyncio.Future[Any] = asyncio.ensure_future(step)
    both: list[asyncio.Future[Any]] = [serving, task]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        return False
    await task
    return True


def _in_thread(call: Callable[[], object]) -> asyncio.Future[None]:
    """Runs `call` in a thread nobody waits for at exit: Ctrl-C in the middle of a deploy ends at once."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def work() -> None:
        error: Exception | None = None
        try:
            call()
        except Exception as raised:  # noqa: BLE001 - raised again in the loop
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=work, daemon=True, name="deploy").start()
    return done


def _deploy(options: engine.Options, artifact: Artifact) -> None:
    deployment = Deployment(artifact=artifact, endpoint=options.endpoint, key="test", say=_say)
    outputs = deploy_locally(deployment)
    _warm_up(deployment, outputs)


def _warm_up(deployment: Deployment, outputs: Mapping[str, str]) -> None:
    """Has the processes of API and worker started in the background: the first firing shall not wait for an import."""
    functions = deployment.client("lambda")
    for name, nothing in (("APIHandlerName", b"{}"), ("DeliverName", b'{"Records": []}')):
        functions.invoke(FunctionName=outputs[name], InvocationType="Event", Payload=nothing)


def _ready(options: engine.Options) -> None:
    _say(f"what the functions print is in {options.log}")
    try_it = f"curl -X POST -d email=me@example.com {options.front}/account/"
    print(f"READY API {options.front}  AWS {options.endpoint}  try: {try_it}", flush=True)


def _say(line: str) -> None:
    print(f"[{time.monotonic() - _STARTED:5.1f} s] {line}", flush=True)


def _fail(line: str) -> int:
    print(f"make run: {line}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
