# ruff: noqa: PTH112
# Without pathlib, see syscalls.py.
"""What a process gives up for good before it runs a program: system calls, capabilities, most of the file system."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from archon.sandbox.syscalls import (
    CAPSET,
    LANDLOCK_ADD_RULE,
    LANDLOCK_CREATE_RULESET,
    LANDLOCK_RESTRICT_SELF,
    PR_CAP_AMBIENT,
    PR_SET_KEEPCAPS,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_SECCOMP,
    prctl,
    syscall,
)

# Numbers on x86-64 and on arm64. Sockets of any family are refused, so that no network is left even where there is no
# namespace for it; socketpair stays. Memory that belongs to no address space (memfd, System V) would escape its limit.
# System V objects, message queues, priorities and limits would reach other processes of the user.
_REFUSED = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioprio_set": (251, 30),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "msgctl": (71, 187),
    "msgget": (68, 186),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "semctl": (66, 191),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setpriority": (141, 140),
    "settimeofday": (164, 170),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmget": (29, 194),
    "socket": (41, 198),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_CLONE, _CLONE3 = (56, 220), 435
# Their first argument is a process, and 0 means the caller.
_OWN_ONLY = {"prlimit64": (302, 261), "sched_setaffinity": (203, 122)}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_NEW_NAMESPACES = 0x7E020000
_X32 = 0x40000000

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def seccomp_filter(machine: str) -> bytes | None:
    """The classic BPF program that refuses what no solution of a task needs, or None on an unknown machine."""
    if machine not in _ARCHITECTURES:
        return None
    column, architecture = _ARCHITECTURES[machine]
    refused = [numbers[column] for numbers in _REFUSED.values()]
    own = [numbers[column] for numbers in _OWN_ONLY.values()]
    # Laid out as: 6 checks, the numbers for the caller only, the refused ones, allow, 3 instructions about clone, 3
    # about the caller, refuse, unknown.
    allow = 6 + len(own) + len(refused)
    clone, caller, refuse, unknown = allow + 1, allow + 4, allow + 7, allow + 8
    code: list[tuple[int, int, int, int]] = []

    def step(operation: int, value: int, yes: int | None = None, no: int | None = None) -> None:
        here = len(code) + 1
        code.append((operation, 0 if yes is None else yes - here, 0 if no is None else no - here, value))

    step(_LOAD, 4)
    step(_IF_EQUAL, architecture, no=unknown)
    step(_LOAD, 0)
    step(_IF_AT_LEAST, _X32, yes=unknown)
    # The flags of clone3 lie in memory, where a filter cannot look; told that it does not exist, libc uses clone.
    step(_IF_EQUAL, _CLONE3, yes=unknown)
    step(_IF_EQUAL, _CLONE[column], yes=clone)
    for number in own:
        step(_IF_EQUAL, number, yes=caller)
    for number in refused:
        step(_IF_EQUAL, number, yes=refuse)
    step(_RETURN, _ALLOW)
    step(_LOAD, 16)
    step(_IF_ANY, _NEW_NAMESPACES, yes=refuse)
    step(_RETURN, _ALLOW)
    step(_LOAD, 16)
    step(_IF_EQUAL, 0, no=refuse)
    step(_RETURN, _ALLOW)
    step(_RETURN, _ERRNO | errno.EPERM)
    step(_RETURN, _ERRNO | errno.ENOSYS)
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def refuse_system_calls() -> None:
    """Give up new privileges and the system calls above, for this process and all that it starts.

    Raises:
        OSError: The kernel has no seccomp.
    """
    prctl("no_new_privs", PR_SET_NO_NEW_PRIVS, 1)
    program = seccomp_filter(os.uname().machine)
    if program is None:
        return
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    prctl("seccomp", PR_SET_SECCOMP, 2, header)


def become(user: int, capability: int | None) -> None:
    """Stop being root: another user and group, without capabilities, but for at most one that programs inherit.

    Raises:
        OSError: Not allowed.
    """
    if capability is not None:
        prctl("keep capabilities", PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    if capability is not None:
        word = 1 << capability
        header, data = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", word, word, word, 0, 0, 0)
        syscall("capset", CAPSET, header, data)
        prctl("ambient capability", PR_CAP_AMBIENT, 2, capability)


def landlock_version() -> int:
    """The version of Landlock that the kernel offers; 0 if none."""
    try:
        return syscall("landlock", LANDLOCK_CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


def fence(readable: list[str], writable: str, devices: list[str]) -> None:
    """Let this process, and all that it starts, see only some of the file system.

    Nothing outside the fence can be read, written or traced, and from version 6 of Landlock nothing outside can be
    signalled. Without Landlock nothing changes.

    Args:
        readable: Files and directories to read and execute.
        writable: The one directory in which everything is allowed.
        devices: Character devices to read and write.

    Raises:
        OSError: The kernel refused.
    """
    version = landlock_version()
    if version == 0:
        return
    everything = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    attributes = struct.pack("QQQ", everything, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = syscall("landlock", LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    execute, write, read, list_ = 1, 2, 4, 8
    for paths, rights in ((readable, execute | read | list_), ([writable], everything), (devices, read | write)):
        for path in paths:
            descriptor = os.open(path, os.O_PATH)
            allowed = rights if os.path.isdir(path) else rights & ~list_
            rule = struct.pack("=Qi", allowed, descriptor)
            syscall(f"landlock {path}", LANDLOCK_ADD_RULE, rules, 1, rule, 0)
            os.close(descriptor)
    prctl("no_new_privs", PR_SET_NO_NEW_PRIVS, 1)
    syscall("landlock", LANDLOCK_RESTRICT_SELF, rules, 0)
    os.close(rules)
