"""Programs that mean harm, with how a sandbox must report them.

Each is started with the arguments TOKEN OUTSIDE REPOSITORY PORT: a word by which its processes are recognised, a
directory it must not touch, the checkout, and a port on which a server waits for TCP and UDP.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

BEGIN = "import ctypes, os, signal, socket, sys, time\n_, TOKEN, OUTSIDE, REPOSITORY, PORT = sys.argv\n"


@dataclass(frozen=True)
class Hostile:
    """One such program.

    Attributes:
        name: What it tries.
        source: Its text after ``BEGIN``.
        kinds: How it may be reported.
        stdout: What it must print, None if that does not matter; programs print what they achieved.
        seconds: Its wall-clock limit.
        files: Whether it is only harmless where other files are out of reach.
    """

    name: str
    source: str
    kinds: tuple[str, ...] = ("ok",)
    stdout: str | None = ""
    seconds: float = 10.0
    files: bool = False

    @property
    def program(self) -> str:
        return BEGIN + textwrap.dedent(self.source)


SOON = 0.4

HOSTILE = (
    Hostile("fork bomb", "while True: os.fork()", ("processes",)),
    Hostile(
        "fork bomb that never gives up",
        """
        while True:
            try: os.fork()
            except OSError: pass
        """,
        ("timeout",),
        seconds=SOON,
    ),
    Hostile(
        "processes that fork and exit in a circle",
        """
        os.setsid()
        if os.fork(): sys.exit()
        while True:
            try:
                if os.fork(): os._exit(0)
            except OSError: pass
        """,
        ("ok", "error"),
    ),
    Hostile("ten gigabytes", "bytearray(10 << 30)", ("memory",)),
    Hostile("endless loop", "while True: pass", ("timeout",), seconds=SOON),
    Hostile("sleeping forever", "time.sleep(1e6)", ("timeout",), seconds=SOON),
    Hostile("endless output", "while True: print('x' * 1000)", ("output",), stdout=None),
    Hostile("endless errors", "while True: print('x' * 1000, file=sys.stderr)", ("output",)),
    Hostile(
        "writing outside",
        """
        import site
        home = os.path.expanduser("~root")
        for place in ("/", "/etc", "/usr/lib", "/root", "/var/tmp", "/proc/sys/kernel", home, OUTSIDE, REPOSITORY,
                      sys.prefix, os.path.dirname(os.__file__), *site.getsitepackages()):
            for act in (lambda path: open(path, "w"), os.mkdir, lambda path: os.symlink("x", path)):
                path = f"{place}/archon-{TOKEN}"
                try:
                    act(path)
                except OSError: pass
        try: open(f"{OUTSIDE}/witness", "a").write("changed"); print("changed")
        except OSError: pass
        """,
        # It may find private directories of these names; what counts is the host.
        stdout=None,
        files=True,
    ),
    Hostile("one big file", "with open('big', 'wb') as file:\n    while True: file.write(bytes(1 << 20))", ("files",)),
    Hostile(
        "many big files",
        """
        for number in range(10 ** 6):
            with open(f"f{number}", "wb") as file: file.write(bytes(8 << 20))
        """,
        ("files",),
    ),
    Hostile(
        "very many small files",
        """
        for number in range(10 ** 8): os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY))
        """,
        ("files",),
    ),
    Hostile(
        "reading other processes",
        """
        for pid in {1, os.getppid(), *range(max(1, os.getppid() - 100), os.getppid() + 100)}:
            for name in ("environ", "mem", "root/etc/passwd", "cwd/witness"):
                if pid == os.getpid(): continue
                try: text = open(f"/proc/{pid}/{name}", "rb").read(64)
                except OSError: continue
                if text: print("read", pid, name, text)
        for path in ("/etc/shadow", "/root/.bashrc"):
            try: print("read", path, open(path).read(64))
            except OSError: pass
        """,
    ),
    Hostile(
        "reading other files",
        """
        for path in (f"{REPOSITORY}/pyproject.toml", f"{OUTSIDE}/witness", "/etc/passwd", "/sys/power"):
            try: print("read", path, os.listdir(path) if os.path.isdir(path) else open(path).read(64))
            except OSError: pass
        """,
        files=True,
    ),
    Hostile(
        "network",
        """
        for family, kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM),
                             (socket.AF_INET6, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_STREAM)):
            try:
                with socket.socket(family, kind) as it:
                    it.settimeout(1)
                    address = ("127.0.0.1", int(PORT))
                    it.sendto(TOKEN.encode(), address) if kind == socket.SOCK_DGRAM else it.connect(address)
                    print("reached", family, kind)
            except (OSError, TypeError): pass
        try: print(socket.getaddrinfo("example.com", 80))
        except OSError: pass
        """,
    ),
    Hostile(
        "killing the parent and everyone",
        """
        for pid in (os.getppid(), -1, 1):
            for number in (signal.SIGTERM, signal.SIGKILL):
                try: os.kill(pid, number)
                except OSError: pass
        try: os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)
        except OSError: pass
        """,
        ("ok", "crashed"),
    ),
    Hostile(
        "links out of the directory",
        """
        os.symlink(OUTSIDE, "directory")
        os.symlink(f"{OUTSIDE}/witness", "file")
        os.symlink("/", "root")
        os.mkdir("deep"); os.symlink(OUTSIDE, "deep/directory")
        try: os.link(f"{OUTSIDE}/witness", "hard"); print("linked")
        except OSError: pass
        try: open("file", "a").write("changed"); print("changed")
        except OSError: pass
        """,
    ),
    Hostile(
        "replacing its directory by a link",
        """
        here = os.getcwd()
        try:
            os.chdir("/")
            os.rename(here, here + TOKEN)
            os.symlink(OUTSIDE, here)
        except OSError: pass
        """,
    ),
    Hostile(
        "tracing the parent",
        """
        libc = ctypes.CDLL(None, use_errno=True)
        class Part(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
        here = ctypes.create_string_buffer(64)
        for pid in (1, os.getppid()):
            if libc.ptrace(16, pid, None, None) == 0: print("attached", pid)
            if libc.ptrace(0x4206, pid, None, None) == 0: print("seized", pid)
            part = Part(ctypes.addressof(here), 64)
            if libc.process_vm_readv(pid, ctypes.byref(part), 1, ctypes.byref(part), 1, 0) > 0: print("read", pid)
        if libc.ptrace(0, 0, None, None) == 0: print("traced")
        """,
    ),
    Hostile(
        "a daemon",
        """
        if os.fork(): sys.exit()
        os.setsid()
        if os.fork(): os._exit(0)
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        os.closerange(0, 3)
        time.sleep(1e6)
        """,
    ),
    Hostile(
        "ignoring every signal",
        """
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: time.sleep(1)
        """,
        ("timeout",),
        seconds=SOON,
    ),
    Hostile(
        "shutting its own directory",
        """
        os.makedirs("a/b/c")
        open("a/b/c/file", "w").close()
        for path in ("a/b/c", "a/b", "a", "."): os.chmod(path, 0)
        """,
    ),
    Hostile(
        "a deep nest of directories",
        """
        for number in range(1500):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        """,
        ("ok", "files"),
    ),
    Hostile("a shell", "os.execv('/bin/sh', ['sh', '-c', 'sleep 1000 # ' + TOKEN, TOKEN])", ("timeout",), seconds=SOON),
    Hostile(
        "closing its output and hanging",
        """
        os.closerange(0, 256)
        time.sleep(1e6)
        """,
        ("timeout",),
        seconds=SOON,
    ),
    Hostile(
        "exhausting the stack",
        """
        sys.setrecursionlimit(10 ** 9)
        nest = []
        for _ in range(10 ** 5): nest = [nest]
        repr(nest)
        """,
        ("crashed", "memory", "error"),
    ),
    Hostile("crashing", "ctypes.string_at(0)", ("crashed",)),
    Hostile(
        "writing to inherited descriptors",
        """
        for descriptor in range(3, 1024):
            try: print("wrote", os.write(descriptor, b"exit 0 0.0"), descriptor)
            except OSError: pass
        """,
    ),
    Hostile(
        "meddling with the parent",
        """
        import resource
        for pid in (os.getppid(), 1):
            for act in (
                lambda: resource.prlimit(pid, resource.RLIMIT_CPU, (0, 0)),
                lambda: os.sched_setaffinity(pid, {0}),
                lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
                lambda: os.setpriority(os.PRIO_USER, 0, 19),
                lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
            ):
                try: act(); print("did", pid)
                except OSError: pass
        resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
        """,
    ),
    Hostile(
        "becoming root again",
        """
        import subprocess
        for act in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chroot(".")):
            try: act(); print("did")
            except OSError: pass
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x10000000) == 0: print("unshared")
        if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0: print("mounted")
        done = subprocess.run(["su", "-c", "id -u"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        print(*(["su"] if done.stdout == "0\\n" else []), end="")
        """,
    ),
    Hostile(
        "forging the report",
        """
        sys.stdout.flush()
        os.write(2, b"MemoryError\\nexit 0 0.0\\nstopped memory 1.0\\n")
        os._exit(3)
        """,
        ("memory",),
    ),
)
