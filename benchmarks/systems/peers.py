"""The peers, as data: which processes make one up, and which one creates its jobs. benchmarks/peers/ has their code.

Each is set up as somebody would who knows it: kept connections, several sends at a time, no results kept that nobody
asks for. Redis keeps nothing on disk, which favours them: our own jobs survive a power cut.

In commands, {bin} is the folder of the peer's own programs, {folder} is empty and its own, {redis} and {port} are the
Redis of this run. Every process sees REDIS_URL.
"""

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

from benchmarks import install
from benchmarks.processes import descendants
from benchmarks.services import Service, ServiceError, free_port, running, tail
from benchmarks.system import About, Earlier, Jobs, Processes, Running

PATIENCE: Final = 180.0
"""Seconds a creator may be silent."""
NODE: Final = "node"
PROJECT: Final = "project"

REDIS: Final = Service(
    command=("{redis}", "--port", "{port}", "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"),
    ready="Ready to accept connections",
)


class Creator(Enum):
    """What becomes of the process that created the jobs."""

    LEAVES = auto()
    """It ends before the due second: others fire."""
    FIRES = auto()
    """It is the scheduler itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One peer.

    `pins` names its requirements file, or is NODE, or PROJECT for our own Python; `packages` are those whose versions
    are reported.
    """

    about: About
    pins: str
    packages: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    create: tuple[str, ...]
    creator: Creator = Creator.LEAVES

    def prepare(self) -> Mapping[str, str]:
        """Installs its packages, and Redis where it needs one."""
        bin_folder = self._bin()
        if self.pins == PROJECT:
            return {}
        if self.pins == NODE:
            versions = {"node": install.version_of("node", "--version"), **_node_versions(bin_folder)}
        else:
            versions = install.pinned(self.pins, *self.packages)
        if REDIS in self.services:
            versions["redis-server"] = install.version_of(str(install.redis()), "--version")
        return versions

    @contextlib.contextmanager
    def running(self, folder: Path) -> Iterator[Running]:
        """Starts its services in order, the creator last."""
        port = free_port()
        redis = str(install.redis()) if REDIS in self.services else ""
        names = {"bin": str(self._bin()), "folder": str(folder), "redis": redis, "port": str(port)}
        environment = {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        with contextlib.ExitStack() as stack:
            pids = []
            for index, service in enumerate(self.services):
                made = replace(service, command=_filled(service.command, names), environment=environment)
                pids.append(stack.enter_context(running(made, folder / f"service-{index}.log")).pid)
            log = folder / "creator.log"
            creating = Service(command=_filled(self.create, names), environment=environment)
            creator = stack.enter_context(running(creating, log))
            _line(creator, log)
            yield RunningPeer(peer=self, services=pids, creator=creator, log=log, port=port)

    def _bin(self) -> Path:
        if self.pins == PROJECT:
            return Path(sys.executable).parent
        return install.node() if self.pins == NODE else install.python(self.pins)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPeer:
    """A peer whose processes have started. `port` is its Redis', if it has one."""

    peer: Peer
    services: Sequence[int]
    creator: subprocess.Popen[str]
    log: Path
    port: int

    def create(self, jobs: Jobs) -> float:
        """Tells the creator, and lets it go when it is done unless it is the scheduler."""
        order = {"count": jobs.count, "due": jobs.due, "url": jobs.url}
        if self.creator.stdin is None:
            raise ServiceError("a creator is told by its standard input")
        print(json.dumps(order), file=self.creator.stdin, flush=True)
        seconds: float = _line(self.creator, self.log)["seconds"]
        if self.peer.creator is Creator.LEAVES:
            self.creator.stdin.close()
            self.creator.wait(PATIENCE)
        return seconds

    def processes(self) -> Processes:
        """All of them: nothing here stands in for AWS."""
        living = [self.creator.pid] if self.creator.poll() is None else []
        return Processes(own=descendants([*self.services, *living]))

    def requests(self) -> int | None:
        """The commands its Redis has worked off."""
        return _redis_commands(self.port) if REDIS in self.peer.services else None

    def earlier(self) -> Earlier:
        """Nothing is told apart."""
        return Earlier()


def _filled(command: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(part.format_map(names) for part in command)


def _line(process: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    """The next thing a creator says."""
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        watchdog.cancel()
    if not line:
        raise ServiceError(f"the creator of jobs ended: {tail(log)}")
    said: dict[str, Any] = json.loads(line)
    return said


def _redis_commands(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        connection.sendall(b"INFO stats\r\n")
        length = int(answers.readline()[1:])
        fields = dict(line.split(":", 1) for line in answers.read(length).decode().splitlines() if ":" in line)
    return int(fields["total_commands_processed"])


def _node_versions(folder: Path) -> dict[str, str]:
    names = json.loads((folder / "package.json").read_text())["dependencies"]
    return {
        name: json.loads((folder / "node_modules" / name / "package.json").read_text())["version"] for name in names
    }


# --- who they are -----------------------------------------------------------------------------------------------------

_CELERY: Final = (
    *("{bin}/celery", "-A", "benchmarks.peers.celery_app", "worker", "--loglevel", "WARNING"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat", "-O", "fair"),
)
_BULLMQ_WORKER: Final = Service(command=("node", "{bin}/bullmq.mjs", "work"), ready="waiting for jobs")


def _script(name: str, *arguments: str) -> tuple[str, ...]:
    return ("{bin}/python", "-m", f"benchmarks.peers.{name}", *arguments)


PEERS: Final = (
    Peer(
        about=About(name="floor", title="raw sends, no scheduler (floor)", creates=20_000),
        pins=PROJECT,
        create=_script("floor"),
        creator=Creator.FIRES,
    ),
    Peer(
        about=About(name="bullmq", title="BullMQ + Redis (Node)", creates=2_000),
        pins=NODE,
        services=(REDIS, _BULLMQ_WORKER),
        create=("node", "{bin}/bullmq.mjs", "create"),
    ),
    Peer(
        about=About(name="bullmq-bulk", title="BullMQ + Redis, bulk, two processes", creates=4_000),
        pins=NODE,
        services=(REDIS, _BULLMQ_WORKER, _BULLMQ_WORKER),
        create=("node", "{bin}/bullmq.mjs", "create-bulk"),
    ),
    Peer(
        about=About(name="apscheduler3", title="APScheduler 3, memory", creates=3_000),
        pins="peers",
        packages=("APScheduler", "urllib3"),
        create=_script("apscheduler3"),
        creator=Creator.FIRES,
    ),
    Peer(
        about=About(name="apscheduler4", title="APScheduler 4 alpha, memory", creates=2_000),
        pins="apscheduler4",
        packages=("APScheduler", "aiohttp"),
        create=_script("apscheduler4"),
        creator=Creator.FIRES,
    ),
    Peer(
        about=About(name="apscheduler3-sqlite", title="APScheduler 3, SQLite", creates=150),
        pins="peers",
        packages=("APScheduler", "SQLAlchemy", "urllib3"),
        create=_script("apscheduler3", "sqlite:///{folder}/jobs.sqlite"),
        creator=Creator.FIRES,
    ),
    Peer(
        about=About(name="celery", title="Celery + Redis, prefork 2", creates=300),
        pins="peers",
        packages=("celery", "redis", "urllib3"),
        services=(
            REDIS,
            Service(command=(*_CELERY, "--pool", "prefork", "--concurrency", "2"), ready="waiting for jobs"),
        ),
        create=_script("celery_app"),
    ),
    Peer(
        about=About(name="celery-threads", title="Celery + Redis, threads 32", creates=300),
        pins="peers",
        packages=("celery", "redis", "urllib3"),
        services=(
            REDIS,
            Service(command=(*_CELERY, "--pool", "threads", "--concurrency", "32"), ready="waiting for jobs"),
        ),
        create=_script("celery_app"),
    ),
    Peer(
        about=About(name="huey", title="huey + Redis, threads 16", creates=700),
        pins="peers",
        packages=("huey", "redis", "urllib3"),
        services=(
            REDIS,
            Service(
                command=("{bin}/huey_consumer", "benchmarks.peers.huey_app.queue", "-k", "thread", "-w", "16"),
                ready="Huey consumer started",
            ),
        ),
        create=_script("huey_app"),
    ),
    Peer(
        about=About(name="rq", title="rq + Redis, simple worker", creates=700),
        pins="peers",
        packages=("rq", "redis", "urllib3"),
        services=(
            REDIS,
            Service(
                command=(
                    *("{bin}/rq", "worker", "--url", "redis://127.0.0.1:{port}/0", "--with-scheduler"),
                    *("--worker-class", "rq.SimpleWorker", "--disable-job-desc-logging"),
                ),
                ready="Listening on",
            ),
        ),
        create=_script("rq_app"),
    ),
)
"""In the order in which they run."""
