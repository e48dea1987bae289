"""Every error Archon raises on purpose.

::

    ArchonError
    ├── ConfigError         the architecture, the command or the environment is wrong (exit code 2)
    ├── ModelError          a call to a model failed
    │   ├── TransientError  the same call may succeed if it is tried again
    │   ├── PermanentError  the same call will fail again
    │   └── BudgetExhausted the call was not sent, or not waited for, because a budget would not bear it
    ├── ParseError          a reply did not have the form it was asked for
    ├── SandboxError        programs cannot be run here; what a program does wrong is no error
    └── GuardError          held-out problems are not asked again: the queries are spent, or the split was scored
"""

from __future__ import annotations


class ArchonError(Exception):
    """The root: anything Archon raises on purpose."""


class ConfigError(ArchonError):
    """What the user wrote cannot be run as it is; the message names the place and the remedy."""


class ConfigWarning(UserWarning):
    """What the user wrote runs, but not in every respect as written; the message names the place."""


class ModelError(ArchonError):
    """A call to a model failed.

    Attributes:
        reason: A short machine-readable word for what happened, such as ``rate_limit`` or ``timeout``.
        status: The HTTP status, if a server answered.
    """

    def __init__(self, message: str, *, reason: str, status: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status


class TransientError(ModelError):
    """A failure that a retry may cure: 408, 409, 429, 5xx, a timeout, a dropped or garbled reply.

    Attributes:
        retry_after: Seconds the server asked us to wait, if it did.
    """

    def __init__(
        self, message: str, *, reason: str, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, reason=reason, status=status)
        self.retry_after = retry_after


class PermanentError(ModelError):
    """A failure that no retry can cure: 400, 401, 403, 404, a context that is too long."""


class BudgetExhausted(ModelError):  # noqa: N818 - the name users know
    """A call was not sent, or not waited for, because a budget would not bear it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="budget")


class ParseError(ArchonError):
    """A model's reply did not have the form it was asked for."""


class SandboxError(ArchonError):
    """The sandbox itself cannot run; whatever a program does in it is a result, not an error."""


class GuardError(ArchonError):
    """Held-out problems are not asked again: their queries are spent, or the sealed split was scored."""
