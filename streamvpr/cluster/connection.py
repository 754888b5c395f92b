"""A connection to Ray. The only module that imports it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
import threading
import warnings
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from streamvpr.errors import ConfigError, StreamVPRError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

LOCAL, AUTO = "local", "auto"
# Read by Ray when it is imported or started: it reports to nobody, and leaves standard error to us.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
ADDRESS = re.compile(r"(?:ray://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/@\s]+):(?P<port>\d{1,5})")
# A call that its actor died of so many times would be the end of the next one, too.
RETRIES = 5
# Names of nodes are 56 hexadecimal digits, and differ in the first few.
SHOWN_DIGITS = 8


class ActorGone(Exception):
    """An actor does not answer; where it is started again, it will."""

    def __init__(self, message: str, *, for_good: bool) -> None:
        super().__init__(message)
        self.for_good = for_good


class Connection:
    """Actors, and the answers of actors."""

    def __init__(self, ray: ModuleType, *, ours: bool = False) -> None:
        """`ours`: whether what was connected to ends with it."""
        self._ray = ray
        self._ours = ours

    def actor(
        self,
        kind: type,
        *arguments: object,
        cpus: float = 0.0,
        gpus: float = 0.0,
        memory: int = 0,
        retry: bool = True,
    ) -> Any:
        """Start one on whichever node has the resources, and again on another where that one dies.

        `retry`: whether Ray itself repeats the calls that were lost with it; else they raise.
        """
        resources = {"num_cpus": cpus, "num_gpus": gpus}
        made = self._ray.remote(kind).options(
            **resources,
            **({"memory": memory} if memory else {}),
            max_restarts=-1,
            max_task_retries=RETRIES if retry else 0,
            scheduling_strategy="SPREAD",
        )
        return made.remote(*arguments)

    def put(self, value: object) -> Any:
        """Keep a value where every node reads it once for all of its processes."""
        return self._ray.put(value)

    def get(self, asked: Any, *, within: float | None = None) -> Any:
        """The answer to a call, or to each of a list of calls.

        Raises the StreamVPRError of the actor, ActorGone, and TimeoutError after `within` seconds.
        """
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(asked, timeout=within)
        except exceptions.GetTimeoutError as error:
            raise TimeoutError from error
        except exceptions.RayError as error:
            raise self._explained(error) from error

    async def answer(self, asked: Any) -> Any:
        """`get` of one call, for an event loop."""
        try:
            return await asyncio.wrap_future(asked.future())
        except self._ray.exceptions.RayError as error:
            raise self._explained(error) from error

    def nodes(self) -> dict[str, str]:
        """The addresses of the nodes that are alive, by their names."""
        # Asked when nobody is connected, Ray would start a cluster of its own.
        known = self._ray.nodes() if self._ray.is_initialized() else []
        return {node["NodeID"]: node["NodeManagerAddress"] for node in known if node["Alive"]}

    def nodes_with(self, resource: str) -> int:
        """How many nodes that are alive have any of a resource, such as CPU."""
        nodes = (node for node in self._ray.nodes() if node["Alive"])
        return sum(node["Resources"].get(resource, 0) > 0 for node in nodes)

    def resources(self) -> dict[str, float]:
        """What all nodes have together."""
        return dict(self._ray.cluster_resources())

    def here(self) -> str:
        """The name of this process's node."""
        return str(self._ray.get_runtime_context().get_node_id())

    def end(self, actors: Sequence[Any]) -> None:
        """End actors, and do not start them again."""
        for actor in actors:
            self._ray.kill(actor)

    def close(self) -> None:
        """Let go of the cluster; the last run that uses it ends what was started for it."""
        if self._ours:
            self._ours = False
            _Shared.leave(self._ray)

    def _explained(self, error: Exception) -> Exception:
        """What an actor raised, where it is the project's own; ActorGone where it has gone."""
        exceptions = self._ray.exceptions
        cause = getattr(error, "cause", None)
        if isinstance(cause, StreamVPRError):
            return cause
        if isinstance(error, exceptions.ActorUnavailableError):
            return ActorGone(_first_line(error), for_good=False)
        if isinstance(error, exceptions.RayActorError):
            return ActorGone(_reason(error), for_good=True)
        return error


def connect(address: str) -> Connection:
    """Connect to the cluster at an address, or start one of this machine.

    A connection that this process has already is used, and left as it is. Raises ConfigError.
    """
    ray = _load_ray()
    with _Shared.lock:
        if ray.is_initialized():
            _Shared.runs += bool(_Shared.runs)
        else:
            _require_reachable(address)
            _start(ray, address)
            _Shared.runs = 1
        return Connection(ray, ours=bool(_Shared.runs))


class _Shared:
    """The one connection that a process can have, where it is for runs of ours."""

    lock = threading.Lock()
    runs = 0
    """How many use it; 0 where there is none, or somebody else's."""
    over = threading.Event()
    """Set where it ends."""

    @classmethod
    def leave(cls, ray: ModuleType) -> None:
        """One run less; with the last one it ends."""
        with cls.lock:
            cls.runs -= 1
            if not cls.runs:
                ray.shutdown()
                cls.over.set()


def _start(ray: ModuleType, address: str) -> None:
    known: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == LOCAL:
        known["include_dashboard"] = False
    try:
        # What it warns of before it fails, the error says.
        with _interrupted_later(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _begin(ray, address, known)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, _first_line(error)) from error


def _begin(ray: ModuleType, address: str, known: dict[str, Any]) -> None:
    """`ray.init` on a thread that stays until the connection ends.

    The system ends what Ray starts on this machine when the thread ends that started it, and
    whoever opens a run may well do so on one that does not stay.
    """
    begun: Future[None] = Future()
    over = _Shared.over = threading.Event()

    def begin_and_stay() -> None:
        try:
            ray.init(address, **known)
        except BaseException as error:
            begun.set_exception(error)
        else:
            begun.set_result(None)
            over.wait()

    threading.Thread(target=begin_and_stay, name="streamvpr-cluster", daemon=True).start()
    begun.result()


@contextlib.contextmanager
def _interrupted_later() -> Iterator[None]:
    """Put off a Ctrl-C: Ray crashes where one comes while it starts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)


def _require_reachable(address: str) -> None:
    """Raise ConfigError where nothing listens: Ray itself would try for minutes."""
    if address in (LOCAL, AUTO):
        return
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise ConfigError(
            f"--cluster {address}: give ray://HOST:PORT, HOST:PORT, {AUTO} or {LOCAL}"
        )
    try:
        socket.create_connection((found["host"].strip("[]"), int(found["port"])), 5.0).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(getattr(error, "strerror", None) or error)) from error


def _no_cluster(address: str, why: str) -> ConfigError:
    return ConfigError(
        f"--cluster {address}: no Ray cluster answers ({why}); start one with `ray start --head`, "
        f"or give {LOCAL}"
    )


def connected() -> Connection:
    """The connection that an actor's process has."""
    return Connection(_load_ray())


def shown_node(name: str, address: str | None = None) -> str:
    """A node for people."""
    return f"node {name[:SHOWN_DIGITS]}" + (f" ({address})" if address else "")


def _load_ray() -> ModuleType:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ConfigError(
            "--cluster needs Ray: pip install 'streamvpr[cluster]'",
            remedy="pip install 'streamvpr[cluster]'",
        ) from error
    # Ray prints what happens to nodes on standard output, where records go; its own debugger turns
    # that off in this way.
    vars(ray._private.worker)["_worker_logs_enabled"] = False
    module: ModuleType = ray
    return module


def _reason(error: Exception) -> str:
    """Why an actor is no more: where it could not be made, the last line of its traceback."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if "creation task" in lines[0] else lines[0]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
