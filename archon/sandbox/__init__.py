r"""Run Python programs that nobody has read: limited, alone, without network, and gone afterwards.

::

    from archon.sandbox import Limits, Sandbox

    sandbox = Sandbox(Limits(seconds=5))
    execution = await sandbox.run("print(sum(range(10)))")
    assert (execution.kind, execution.stdout) == ("ok", "45\n")
"""

from archon.sandbox.backends import Isolation
from archon.sandbox.limits import Execution, Kind, Limits
from archon.sandbox.sandbox import Sandbox

__all__ = ["Execution", "Isolation", "Kind", "Limits", "Sandbox"]
