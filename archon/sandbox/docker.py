"""Containers, for those who have a Docker daemon and want one."""

from __future__ import annotations

import json
import math
import uuid

from archon.sandbox.launch import ENVIRONMENT, FLAGS, INSIDE, MAIN, Job, Launch

# Sent as an argument to any Python 3 of the image: unpacks the header, sets limits, becomes the program.
_UNPACK = """\
import json, os, resource, signal, sys
def read(n):
    parts = []
    while n:
        parts.append(os.read(0, n))
        n -= len(parts[-1]) or sys.exit(1)
    return b"".join(parts)
order = json.loads(read(int(read(16))))
os.makedirs(order["directory"])
os.chdir(order["directory"])
for path, text in order["files"].items():
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        file.write(text)
for name in ("CORE", "CPU", "FSIZE", "NOFILE", "AS"):
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), order[name])
signal.alarm(order["alarm"])
os.execve(sys.executable, [sys.executable, *order["arguments"]], order["environment"])
"""


def docker(job: Job, image: str) -> Launch:
    """What starts a container for one program, without network, capabilities or anything writable but its ``/tmp``.

    Args:
        job: The program and its limits.
        image: An image that is there and has a ``python3``.
    """
    limits = job.limits
    memory, file = limits.memory_mb << 20, limits.file_mb << 20
    header = json.dumps(
        {
            "files": dict(job.files),
            "directory": INSIDE,
            "arguments": [*FLAGS, f"{INSIDE}/{MAIN}", *job.arguments],
            "environment": {**ENVIRONMENT, "HOME": INSIDE, "TMPDIR": INSIDE},
            # For the case that nobody is left to remove the container.
            "alarm": math.ceil(limits.seconds) + 5,
            "CORE": (0, 0),
            "CPU": (limits.cpu_seconds, limits.cpu_seconds + 1),
            "FSIZE": (file, file),
            "NOFILE": (limits.open_files, limits.open_files),
            "AS": (memory, memory),
        }
    ).encode()
    container = f"archon-{uuid.uuid4().hex}"
    options = {
        "name": container,
        "network": "none",
        "user": "65534:65534",
        "cap-drop": "ALL",
        "security-opt": "no-new-privileges",
        "memory": f"{memory + (32 << 20)}",
        "memory-swap": f"{memory + (32 << 20)}",
        "pids-limit": str(limits.processes + 1),
        "tmpfs": f"/tmp:rw,mode=1777,size={limits.disk_mb << 20},nr_inodes={limits.files}",  # noqa: S108
        "log-driver": "none",
        "hostname": "sandbox",
        "pull": "never",
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    start = ("docker", "run", "--rm", "--interactive", "--init", "--read-only", *given, image)
    return Launch(
        (*start, "python3", "-I", "-S", "-c", _UNPACK),
        header=f"{len(header):16d}".encode() + header,
        undo=("docker", "rm", "--force", container),
    )
