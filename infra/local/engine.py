"""The embedded AWS: MiniStack in a process of ours, on the loopback interface only.

`Engine` options say where it listens and where it keeps its data; `serve` runs it until told to stop. The same code is
behind `make run` (in the process of infra/local/run.py) and behind the tests (as a process of its own, see `main`),
because MiniStack reads its environment when it is imported: one engine per process.

That environment is also handed to the functions, so `isolate` first removes everything a developer's shell may say
about AWS: no real credentials, profiles, endpoints or proxies get in. A function sees region us-east-1 and the keys
`000000000000` / `test`, the default account; a client from outside picks another account by using twelve digits as its
access key.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from hypercorn.asyncio import serve as serve_asgi
from hypercorn.config import Config

from infra.local import gateway, patches, snapshot

HOST: Final = "127.0.0.1"
REGION: Final = "us-east-1"

_log = logging.getLogger("belltower.engine")


class PortInUseError(Exception):
    """Somebody else listens where we want to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the engine listens and keeps its data. `auth` makes it enforce IAM policies, at half the speed."""

    home: Path
    port: int = 4566
    front_port: int = 8000
    auth: bool = False

    @property
    def endpoint(self) -> str:
        """Where AWS answers."""
        return f"http://{HOST}:{self.port}"

    @property
    def front(self) -> str:
        """Where the API answers, at its root."""
        return f"http://{HOST}:{self.front_port}"

    @property
    def log(self) -> Path:
        """The engine's log, with what the functions print."""
        return self.home / "log"

    @property
    def state(self) -> Path:
        """The folder of the snapshots."""
        return self.home / "state"


def require_ports(options: Options) -> None:
    """Refuses ports that are taken, by name and number."""
    for variable, port in (("PORT", options.front_port), ("ENGINE_PORT", options.port)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise PortInUseError(f"port {port} is in use: choose another with {variable}=...") from error


def isolate(options: Options) -> None:
    """Leaves nothing in the environment that could lead out of this machine, and says how MiniStack shall run."""
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "BELLTOWER_", "MINISTACK_", "LOCALSTACK_", "LAMBDA_", "DOCKER_")) or (
            name.upper().endswith("_PROXY")
        ):
            del os.environ[name]
    os.environ.update(
        AWS_DEFAULT_REGION=REGION,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - the engine asks for none
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        MINISTACK_HOST=HOST,
        MINISTACK_REGION=REGION,
        BIND_HOST=HOST,
        GATEWAY_PORT=str(options.port),
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        AUTH="true" if options.auth else "false",
        PERSIST_STATE="1",
        STATE_DIR=str(options.state),
        S3_PERSIST="1",
        S3_DATA_DIR=str(options.home / "s3"),
        LOG_LEVEL="WARNING",
        DOCKER_HOST="unix:///nonexistent",
    )


def prepare(options: Options) -> None:
    """Makes the process ready to serve: folders, log file, environment, patches. Reads the state, changes nothing."""
    snapshot.require_readable(options.state)
    for directory in (options.state, options.home / "s3"):
        directory.mkdir(parents=True, exist_ok=True)
    scratch = options.home / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)  # what functions unpacked before a kill -9
    scratch.mkdir(parents=True)
    tempfile.tempdir = str(scratch)
    _log_to(options.log)
    isolate(options)
    patches.apply(options.home / "code")
    gateway.apply()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Turning points in a run. Until `settled` nothing is written: a deploy cut short leaves no half a stack behind."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)


async def serve(options: Options, moments: Moments) -> None:
    """Serves engine and front until `stop`; `started` when both answer. `prepare` comes before."""
    ministack = importlib.import_module("ministack.app")
    vars(ministack)["save_all"] = lambda _services: None  # its own way to write at the end; ours is quicker
    engine = gateway.Engine(ministack.app)
    servers = asyncio.ensure_future(_serve_both(engine, options, moments))
    listening = asyncio.create_task(_listening(options))
    await asyncio.wait([servers, listening], return_when=asyncio.FIRST_COMPLETED)
    snapshots = snapshot.Snapshots(engine, options.state)
    keeper = asyncio.create_task(snapshots.keep(moments.settled))
    try:
        snapshot.require_restored()
        moments.started.set()
        await servers
    finally:
        moments.stop.set()
        keeper.cancel()
        listening.cancel()
        await asyncio.gather(servers, return_exceptions=True)
        await asyncio.to_thread(importlib.import_module("ministack.core.lambda_runtime").reset)
    if moments.settled.is_set():
        await snapshots.write()


async def _serve_both(engine: gateway.Engine, options: Options, moments: Moments) -> None:
    apps: list[tuple[Any, int]] = [(engine, options.port), (gateway.Front(engine), options.front_port)]
    until: Any = moments.stop.wait
    await asyncio.gather(*(serve_asgi(app, _config(port), shutdown_trigger=until) for app, port in apps))


def _config(port: int) -> Config:
    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.include_server_header = False
    config.errorlog = logging.getLogger("belltower.engine")
    return config


async def _listening(options: Options) -> None:
    """Returns when both ports answer."""
    for port in (options.port, options.front_port):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break


def _log_to(file: Path) -> None:
    """Everything goes to one file: MiniStack's warnings, our events, what functions print."""
    handler = RotatingFileHandler(file, maxBytes=10_000_000, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler, snapshot.COMPLAINTS]
    root.setLevel(logging.WARNING)
    logging.getLogger("belltower").setLevel(logging.INFO)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Ctrl-C and SIGTERM end the engine in good order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


async def stop_with_parent(stop: asyncio.Event) -> None:
    """Ends the engine in good order when whoever started it is gone, however it went."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.2)
    stop.set()


async def _run(options: Options) -> None:
    moments = Moments()
    moments.settled.set()
    stop_on_signals(moments.stop)
    serving = asyncio.create_task(serve(options, moments))
    watch = asyncio.create_task(stop_with_parent(moments.stop))
    started = asyncio.create_task(moments.started.wait())
    await asyncio.wait([serving, started], return_when=asyncio.FIRST_COMPLETED)
    if moments.started.is_set():
        print(json.dumps({"endpoint": options.endpoint, "front": options.front}), flush=True)
    await serving
    watch.cancel()


def main(arguments: list[str]) -> int:
    """An engine on its own, for tests. Prints one line of JSON when it answers."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.engine", description=main.__doc__)
    parser.add_argument("--home", type=Path, required=True, help="where state and log are kept")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--front-port", type=int, required=True)
    parser.add_argument("--auth", action="store_true", help="enforce IAM policies")
    options = Options(**vars(parser.parse_args(arguments)))
    try:
        require_ports(options)
        prepare(options)
        asyncio.run(_run(options))
    except (PortInUseError, snapshot.BrokenStateError, patches.WrongVersionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
