"""What every wrapper shares: it answers for the model it holds."""

from __future__ import annotations

from archon.models.base import Model, Reply, Request


class Wrapper:
    """A model that holds a model. Subclasses change :meth:`complete`."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name = model.name
        self.identity = model.identity
        self.capabilities = model.capabilities

    async def complete(self, request: Request) -> Reply:
        """Draw from the wrapped model."""
        return await self._model.complete(request)

    async def aclose(self) -> None:
        """Close the wrapped model."""
        await self._model.aclose()
