"""System calls that Python's library lacks.

This and the other modules of the inner side (``launcher``, ``namespaces``, ``lockdown``) run once per execution in an
interpreter without ``site``, so they import as little as they can.
"""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_ARM = os.uname().machine == "aarch64"

PIVOT_ROOT = 41 if _ARM else 155
CAPSET = 91 if _ARM else 126
MOUNT_SETATTR = 442
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 1, 4, 8
PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 22, 36, 38, 47


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def syscall(what: str, number: int, *arguments: object) -> int:
    """Make a system call by number.

    Raises:
        OSError: It failed; the message begins with ``what``.
    """
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_LIBC.syscall(ctypes.c_long(number), *wide), what)


def prctl(what: str, option: int, *arguments: object) -> None:
    """Change something about this process.

    Raises:
        OSError: The kernel refused; the message begins with ``what``.
    """
    wide = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_LIBC.prctl(option, *wide), what)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones.

    Raises:
        OSError: Not allowed, or too many.
    """
    _checked(_LIBC.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Mount a file system.

    Raises:
        OSError: Not allowed, or no such thing.
    """
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    done = _LIBC.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _checked(done, f"mount {kind or source} on {target}")


def detach(target: str) -> None:
    """Unmount, now for all who look and in truth when nobody uses it any more.

    Raises:
        OSError: Not allowed, or not mounted.
    """
    _checked(_LIBC.umount2(os.fsencode(target), 2), f"unmount {target}")


def name_host(name: str) -> None:
    """Name this machine, as far as this UTS namespace sees it.

    Raises:
        OSError: Not allowed.
    """
    # Python's own is in the socket module, which takes longer to import than all else here.
    word = os.fsencode(name)
    _checked(_LIBC.sethostname(word, ctypes.c_size_t(len(word))), "sethostname")
