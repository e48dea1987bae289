"""llama.cpp's own server in this process, for models that run without a key or a network."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from archon.errors import ConfigError

_MAGIC = b"GGUF"
_SILENT = -1  # llama.cpp's verbosity; anything it logs at C level would end up among a command's output
_READY_WITHIN = 60.0  # seconds from loaded weights to a healthy server
_WAITING_ROOM = 32  # requests beyond the slots that are read rather than left in the listening queue
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


class LlamaServer:
    """A server of one model over the OpenAI API, from construction until :meth:`close`.

    With one slot and ``cache_prompt=False`` the same request always gives the same text. With more slots a text
    also depends on which requests happen to share its batches, because the order of floating-point sums does; on
    two cores that is the price of about 1.5 times the speed.

    Only a streamed request gives its slot back when its client leaves; any other is computed to its end.

    Attributes:
        base_url: The root of its API, ``http://127.0.0.1:PORT/v1``.
        slots: How many requests it serves at once; more wait in line.
    """

    def __init__(
        self,
        path: Path,
        *,
        slots: int = 8,
        context: int = 4096,
        threads: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        alias: str = "local",
        cache_prompt: bool = True,
    ) -> None:
        """Load the weights and start to serve.

        It takes seconds, in which no other thread of Python runs either: llama.cpp's binding keeps the lock.

        Args:
            path: A GGUF file.
            slots: How many requests are served at once.
            context: Tokens per slot, prompt and completion together; all memory is taken at the start.
            threads: Threads that compute; one per core by default.
            host: The only address that is listened on.
            port: 0 picks a free one.
            alias: The model's name in replies.
            cache_prompt: Whether a slot keeps the part of its last prompt that the next one begins with.

        Raises:
            ConfigError: llama.cpp is not installed, the file is not a model it can load, or the port is taken.
        """
        _check_file(path)
        bound = _resolve(host, port)
        if port:
            _check_port(bound, host, port)
        self.slots = slots
        self._server: Any = _start(
            path,
            threads=threads or os.cpu_count() or 1,
            n_parallel=slots,
            n_ctx=slots * context,
            n_threads_http=slots + _WAITING_ROOM,
            hostnames=[host],
            port=port,
            model_alias={alias},
            cache_prompt=cache_prompt,
        )
        address = str(self._server.listening_address)
        self.base_url = f"{address}/v1"
        self._host = str(bound[4][0])
        self._port = int(address.rpartition(":")[2])
        try:
            _await_health(address, path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop serving, drop requests in flight and free the memory. Closing twice is harmless."""
        if self._server is not None:
            # llama.cpp waits for the clients of requests in flight to leave, and those that are threads or tasks
            # of this process cannot: stopping holds the interpreter's lock. So the connections are cut first.
            _hang_up(self._host, self._port)
            self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_file(path: Path) -> None:
    """Refuse what llama.cpp would only call a failure."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    if magic != _MAGIC:
        raise ConfigError(f"{path} is not a GGUF file, the only kind of weights that llama.cpp reads.")


def _resolve(host: str, port: int) -> _Address:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError) as error:
        raise ConfigError(f"{host}:{port} is not an address to listen on: {error}.") from error


def _check_port(bound: _Address, host: str, port: int) -> None:
    family, kind, protocol, _, address = bound
    try:
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # elsewhere it would share a port that is in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except PermissionError as error:
        raise ConfigError(f"Port {port} on {host} needs more rights; choose another with --port") from error
    except (OSError, OverflowError) as error:
        raise ConfigError(f"Port {port} on {host} is in use; choose another with --port") from error


def _hang_up(host: str, port: int) -> None:
    """Cut the server's ends of its connections; they are file descriptors of this process."""
    try:
        descriptors = [int(entry.name) for entry in Path("/dev/fd").iterdir()]
    except OSError:
        return
    for descriptor in descriptors:
        with contextlib.suppress(OSError, IndexError, TypeError), _borrowed(descriptor) as connection:
            local = connection.getsockname()
            listening = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if local[1] == port and (local[0] == host or host in _WILDCARDS) and not listening:
                connection.shutdown(socket.SHUT_RDWR)


def _borrowed(descriptor: int) -> socket.socket:
    """A socket of our own on somebody else's descriptor.

    Raises:
        OSError: The descriptor is not a socket, or is gone.
    """
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError(errno.ENOTSOCK, "not a socket")
    copy = os.dup(descriptor)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


def _start(path: Path, *, threads: int, **settings: Any) -> Any:
    """Start llama.cpp's server.

    Raises:
        ConfigError: It is not installed or does not start.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise ConfigError(
            "Local models need llama.cpp: install it with `pip install 'archon-inference[local]'`."
        ) from error
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.use_jinja = True
    parameters.cont_batching = True
    parameters.kv_unified = False  # one slot's long prompt cannot take another's memory
    parameters.cache_ram_mib = 0  # slots keep their prompts anyway; this second cache would grow to 8 GB
    parameters.warmup = False
    parameters.ui = False
    parameters.verbosity = _SILENT
    for name, value in settings.items():
        setattr(parameters, name, value)
    try:
        return xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise ConfigError(
            f"llama.cpp cannot serve {path}: the file is damaged, of a kind it does not know, "
            "or its context does not fit into memory (fewer slots or a shorter context need less)."
        ) from error


def _await_health(address: str, path: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    # The environment's proxy cannot reach this process.
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while time.monotonic() < deadline:
            try:
                if client.get(f"{address}/health").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise ConfigError(f"llama.cpp loaded {path} but did not become ready within {_READY_WITHIN:.0f} s.")
