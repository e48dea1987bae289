"""Looks in the sample store before it asks a model."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from archon.cost import Usage
from archon.models.base import Completion, Model, Reply, Request
from archon.models.wrapper import Wrapper
from archon.store import Store, request_key
from archon.trace import Event, Observer, ignore


class Stored(Wrapper):
    """A model whose samples are bought once.

    At temperature 0 every draw is the same text, so one is bought whatever the seed and however many are asked for.
    """

    def __init__(self, model: Model, store: Store, observe: Observer = ignore) -> None:
        super().__init__(model)
        self._store = store
        self._observe = observe
        self._last: tuple[Request, bytes] | None = None

    async def complete(self, request: Request) -> Reply:
        """Take what is in the store and buy the rest.

        Returns:
            A reply whose usage is what the whole request would have cost, whatever part of it was bought now.
        """
        if request.sampling.temperature == 0:
            greedy = replace(request, seed=0, stream="", indices=(0,))
            reply = await self._draw(greedy)
            return replace(reply, completions=reply.completions * len(request.indices))
        return await self._draw(request)

    async def _draw(self, request: Request) -> Reply:
        key = self._key(request)
        found = await self._store.find(key, request.indices)
        if found:
            data = {"run": request.tag.run, "model": self.name, "stream": request.stream, "indices": list(found)}
            self._observe(Event("hit", request.tag.question, request.tag.layer, data))
        while missing := tuple(index for index in request.indices if index not in found):
            # Whoever else is buying one of the samples is waited for; if that fails, we buy it ourselves.
            others = [self._store.buying[key, i] for i in missing if (key, i) in self._store.buying]
            for other in others:
                await other.wait()
            if not others and (bought := await self._buy(key, _only(request, missing))):
                found |= bought
            else:
                found = await self._store.find(key, request.indices)
        completions = tuple(found[index] for index in request.indices)
        return Reply(completions, _usage_alone(completions))

    def _key(self, request: Request) -> bytes:
        """The address of a request's samples, worked out once for single draws of one conversation in a row."""
        if self._last is not None:
            last, key = self._last
            same = last.messages is request.messages and last.sampling is request.sampling
            if same and (last.seed, last.stream) == (request.seed, request.stream):
                return key
        key = request_key(self.identity, request)
        self._last = (request, key)
        return key

    async def _buy(self, key: bytes, request: Request) -> dict[int, Completion]:
        """Buy samples, or nothing if another process has just bought some of them, or tried to."""
        done = asyncio.Event()
        draws = [(key, index) for index in request.indices]
        self._store.buying.update(dict.fromkeys(draws, done))
        try:
            if not await self._store.claim(draws):
                return {}
            try:
                reply = await self._model.complete(request)
                bought = dict(zip(request.indices, reply.completions, strict=True))
            except BaseException:
                self._store.release(draws)
                raise
            self._store.put(key, self.name, bought)
            return bought
        finally:
            for draw in draws:
                del self._store.buying[draw]
            done.set()


def _only(request: Request, indices: tuple[int, ...]) -> Request:
    return request if indices == request.indices else replace(request, indices=indices)


def _usage_alone(completions: tuple[Completion, ...]) -> Usage | None:
    """What one request for all of them costs: the prompt once, every completion."""
    if len(completions) == 1:
        return completions[0].usage
    usages = [completion.usage for completion in completions if completion.usage is not None]
    if len(usages) < len(completions):
        return None
    written = Usage(completion=sum(u.completion for u in usages), reasoning=sum(u.reasoning for u in usages))
    return Usage(usages[0].prompt, usages[0].cached) + written
