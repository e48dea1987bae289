"""Other models to ask when one fails for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archon.concurrency import gather
from archon.errors import BudgetExhausted, ModelError
from archon.models.base import Model, Reply, Request, Sampling
from archon.models.wrapper import Wrapper
from archon.trace import Event, Observer


class Fallback(Wrapper):
    """A model that hands on what it cannot answer.

    What another model draws is stored, priced and reported under that model's own name: it is a sample of another
    distribution.

    Args:
        model: The model, with its retries.
        others: Who is asked next, in this order, with the sampling settings whose request fields are their own.
        observe: Told of every request that is handed on.
    """

    def __init__(self, model: Model, others: Sequence[tuple[Model, Sampling]], observe: Observer) -> None:
        super().__init__(model)
        self._others = others
        self._observe = observe

    async def complete(self, request: Request) -> Reply:
        """Complete with the first model that can.

        Raises:
            BudgetExhausted: There is no money left, for whichever model.
            ModelError: All failed; the first one's error.
        """
        try:
            return await self._model.complete(request)
        except BudgetExhausted:
            raise
        except ModelError as error:
            failure = error
        for model, own in self._others:
            data = {"run": request.tag.run, "model": self.name, "to": model.name, "error": str(failure)}
            self._observe(Event("fallback", request.tag.question, request.tag.layer, data))
            if request.listener is not None:
                request.listener.restarted()
            try:
                # Another model has another chat template.
                template = request.sampling.template and model.capabilities.template
                sampling = replace(request.sampling, extra=own.extra, template=template)
                return await _complete(model, replace(request, sampling=sampling))
            except BudgetExhausted:
                raise
            except ModelError:
                continue
        raise failure


async def _complete(model: Model, request: Request) -> Reply:
    """One request, or singles where the endpoint cannot do several."""
    if model.capabilities.multiple or len(request.indices) == 1:
        return await model.complete(request)
    replies = await gather([model.complete(replace(request, indices=(index,))) for index in request.indices])
    usages = [reply.usage for reply in replies if reply.usage is not None]
    total = None if len(usages) < len(replies) else sum(usages[1:], usages[0])
    return Reply(tuple(reply.completions[0] for reply in replies), total)
