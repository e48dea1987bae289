"""Makes endpoints alike: whatever one supports, a completion means the same thing."""

from __future__ import annotations

from dataclasses import replace

from archon.errors import PermanentError
from archon.models.base import Completion, Reply, Request
from archon.models.wrapper import Wrapper


class Normalised(Wrapper):
    """A model whose continuations never repeat their prefix and never run past a stop string."""

    async def complete(self, request: Request) -> Reply:
        """Complete, then undo the endpoint's habits.

        Raises:
            PermanentError: The endpoint cannot continue an assistant message, or does so otherwise than it is known to.
        """
        last = request.messages[-1]
        # What a text goes on with is never mistaken for a message.
        prefix = last.content if last.role == "assistant" and request.sampling.template is None else ""
        if not prefix and not self.capabilities.recount and not request.sampling.stop:
            return await self._model.complete(request)
        if prefix and self.capabilities.prefix == "unsupported":
            raise PermanentError(f"{self.name}: the endpoint does not continue an assistant message", reason="prefix")
        if (prefix and self.capabilities.prefix == "echoes") or (request.sampling.stop and not self.capabilities.stop):
            # What would be heard is not yet what the endpoint should have said.
            request = replace(request, listener=None)
        recount = self.capabilities.recount and len(request.indices) > 1
        if recount and request.sampling.top_logprobs is None:
            counted = replace(request, sampling=replace(request.sampling, top_logprobs=1))
            reply = _recounted(await self._model.complete(counted))
            reply = replace(reply, completions=tuple(replace(c, logprobs=None) for c in reply.completions))
        elif recount:
            reply = _recounted(await self._model.complete(request))
        else:
            reply = await self._model.complete(request)
        completions = tuple(self._clean(c, prefix, request.sampling.stop) for c in reply.completions)
        return replace(reply, completions=completions)

    def _clean(self, completion: Completion, prefix: str, stop: tuple[str, ...]) -> Completion:
        text, finish, reason = completion.text, completion.finish_reason, completion.stop_reason
        if prefix:
            text = self._continuation(text, prefix, stop)
        ends = [(place, s) for s in stop if (place := text.find(s)) >= 0]
        if ends:
            place, reason = min(ends)
            text, finish = text[:place], "stop"
        elif not self.capabilities.stop:
            reason = ""
        elif not reason and not self.capabilities.stop_reason:
            reason = None
        return replace(completion, text=text, finish_reason=finish, stop_reason=reason)

    def _continuation(self, text: str, prefix: str, stop: tuple[str, ...]) -> str:
        if self.capabilities.prefix == "echoes":
            if not text.startswith(prefix):
                raise PermanentError(
                    f"{self.name}: the endpoint is known to repeat what it continues, and did not; "
                    "`archon models probe` finds out what it does",
                    reason="prefix",
                )
            return text.removeprefix(prefix)
        # A text that ends before such a string cannot hold one: what begins with all of the prefix repeats it.
        return text.removeprefix(prefix) if any(s in prefix for s in stop) else text


def _recounted(reply: Reply) -> Reply:
    """The reply with the completion tokens of every choice counted by their log-probabilities."""
    if reply.usage is None:
        return reply
    counts = [len(completion.logprobs or ()) for completion in reply.completions]
    completions = tuple(
        replace(completion, usage=replace(reply.usage, completion=count))
        for completion, count in zip(reply.completions, counts, strict=True)
    )
    return Reply(completions, replace(reply.usage, completion=sum(counts)))
