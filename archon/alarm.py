"""One callback that is due once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Rings once in the event loop that set it; what a loop left behind when it closed does not count.

    Args:
        ring: What happens.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Ring in this many seconds, unless it is set already."""
        loop = asyncio.get_running_loop()
        if self._handle is None or self._loop is not loop:
            self._loop, self._handle = loop, loop.call_later(seconds, self._due)

    def clear(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self) -> None:
        self._handle = None
        self._ring()
