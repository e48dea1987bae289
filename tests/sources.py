"""Architectures in YAML for tests: a right one, those beside the code, and wrong ones with what is said of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from archon.errors import ConfigError
from archon.reward import rewards
from archon.source import parse_architecture
from archon.technique import techniques

CONFIGS = sorted((Path(__file__).parents[1] / "configs" / "architectures").glob("*.yaml"))
KNOWN = ", ".join(techniques())
YAML_TEXT = """\
name: example
models:
  solver: {use: openai/x, temperature: 0.5}
  judge: openai/y
layers:
  - generate: {model: solver, n: 2}
  - vote
answer: math
"""


def changed(old: str, new: str) -> str:
    assert YAML_TEXT.count(old) == 1
    return YAML_TEXT.replace(old, new)


def complaint(text: str, *overrides: str) -> list[str]:
    """The sentences with which a text is refused."""
    with pytest.raises(ConfigError) as caught:
        parse_architecture(text, name="file.yaml", overrides=overrides)
    return str(caught.value).split("\n")


SENTENCES = {
    "unknown top-level key": (
        YAML_TEXT + "layer: []\n",
        "file.yaml:9: unknown key 'layer' in an architecture; did you mean 'layers'? "
        "Known: answer, budget, description, layers, models, name.",
    ),
    "unknown technique key": (
        changed("n: 2", "temprature: 1"),
        "file.yaml:6: unknown key 'temprature' in layers.0.generate; did you mean 'temperature'? "
        "Known: max_tokens, model, n, system, temperature, top_p.",
    ),
    "unknown technique key in a parallel layer": (
        changed("- vote", "- [vote, {rank: {model: judge, kep: 2}}]"),
        "file.yaml:7: unknown key 'kep' in layers.1.1.rank; did you mean 'keep'? "
        "Known: keep, max_tokens, model, passes, prompt, step, temperature, top_p, window.",
    ),
    "unknown model key": (
        changed("temperature", "temprature"),
        "file.yaml:3: unknown key 'temprature' in models.solver; did you mean 'temperature'? "
        "Known: api_key, base_url, concurrency, extra, fallback, hedge, max_tokens, price, requests_per_minute, stop, "
        "temperature, template, timeout, tokens_per_minute, top_p, use.",
    ),
    "unknown model key in a role named like a technique": (
        changed("judge: openai/y", "rank: {use: openai/y, kep: 1}"),
        "file.yaml:4: unknown key 'kep' in models.rank. "
        "Known: api_key, base_url, concurrency, extra, fallback, hedge, max_tokens, price, requests_per_minute, stop, "
        "temperature, template, timeout, tokens_per_minute, top_p, use.",
    ),
    "unknown price key": (
        changed("temperature: 0.5", "price: {input: 1, output: 2, date: 2026-01-01, cache_input: 1}"),
        "file.yaml:3: unknown key 'cache_input' in models.solver.price; did you mean 'cached_input'? "
        "Known: cached_input, date, input, output, second, source.",
    ),
    "unknown answer key": (
        changed("math", "{choice: {optoins: AB}}"),
        "file.yaml:8: unknown key 'optoins' in answer.choice; did you mean 'options'? Known: options.",
    ),
    "unknown technique": (
        changed("generate", "genrate"),
        f"file.yaml:6: layers.0.genrate: unknown technique 'genrate'; did you mean 'generate'? Known: {KNOWN}.",
    ),
    "unknown bare technique": (
        changed("- vote", "- vot"),
        f"file.yaml:7: layers.1.vot: unknown technique 'vot'; did you mean 'vote'? Known: {KNOWN}.",
    ),
    "unknown role": (
        changed("model: solver", "model: slover"),
        "file.yaml:6: layers.0.generate.model: unknown model 'slover'; did you mean 'solver'? Known: judge, solver.",
    ),
    "unknown role in a list": (
        changed("model: solver", "model: [solver, jugde]"),
        "file.yaml:6: layers.0.generate.model.1: unknown model 'jugde'; did you mean 'judge'? Known: judge, solver.",
    ),
    "unknown answer format": (
        changed("math", "maths"),
        "file.yaml:8: answer: unknown answer format 'maths'; did you mean 'math'? "
        "Known: choice, json, math, regex, text.",
    ),
    "unknown reward": (
        changed("- vote", "- score: {reward: jugde}"),
        "file.yaml:7: layers.1.score.reward.jugde: unknown reward 'jugde'; did you mean 'judge'? "
        f"Known: {', '.join(rewards())}.",
    ),
    "unknown key in a reward": (
        changed("- vote", "- score: {reward: {judge: {modle: judge, model: judge}}}"),
        "file.yaml:7: unknown key 'modle' in layers.1.score.reward.judge; did you mean 'model'? "
        "Known: max_tokens, model, prompt, rubric, temperature, top_p, unfinished.",
    ),
    "unknown key in a reward inside a reward": (
        changed("- vote", "- score: {reward: {ensemble: {rewards: [{logprob: {model: judge, tpo_logprobs: 5}}]}}}"),
        "file.yaml:7: unknown key 'tpo_logprobs' in layers.1.score.reward.ensemble.rewards.0.logprob; "
        "did you mean 'top_logprobs'? Known: model, prompt, top_logprobs, unfinished.",
    ),
    "unknown model in a reward": (
        changed("- vote", "- score: {reward: {ensemble: {rewards: [{logprob: {model: jugde}}]}}}"),
        "file.yaml:7: layers.1.score.reward.ensemble.rewards.0.logprob.model: unknown model 'jugde'; "
        "did you mean 'judge'? Known: judge, solver.",
    ),
    "a list for a reward": (
        changed("- vote", "- score: {reward: [judge]}"),
        "file.yaml:7: layers.1.score.reward: a reward is one kind with its settings, such as `judge: {model: m}`.",
    ),
    "missing setting of a reward": (
        changed("- vote", "- score: {reward: judge}"),
        "file.yaml:7: 'layers.1.score.reward.judge.model' is missing.",
    ),
    "a reward that needs unit tests": (
        changed("- vote", "- score: {reward: {tests: {model: judge}}}"),
        "file.yaml:7: layers.1: score works on unit tests and no layer before it makes any; "
        "put a layer before it that does, such as unit_tests.",
    ),
    "number too small": (
        changed("n: 2", "n: 0"),
        "file.yaml:6: layers.0.generate.n: input should be greater than or equal to 1 (given: 0).",
    ),
    "no number": (
        changed("n: 2", "n: many"),
        "file.yaml:6: layers.0.generate.n: input should be a valid integer, "
        "unable to parse string as an integer (given: 'many').",
    ),
    "missing setting": (changed("model: solver, ", ""), "file.yaml:6: 'layers.0.generate.model' is missing."),
    "missing use": (changed("use: openai/x, ", ""), "file.yaml:3: 'models.solver.use' is missing."),
    "missing name": (changed("name: example\n", ""), "file.yaml:1: 'name' is missing."),
    "missing layers": ("name: example\n", "file.yaml:1: 'layers' is missing."),
    "missing answer setting": (changed("math", "{regex: {}}"), "file.yaml:8: 'answer.regex.pattern' is missing."),
    "no layers": ("name: example\nlayers: []\n", "file.yaml:2: layers: this must not be empty."),
    "empty layer": ("name: example\nlayers: [[]]\n", "file.yaml:2: layers.0: a layer needs at least one technique."),
    "layers in a mapping": ("name: example\nlayers: {vote: }\n", "file.yaml:2: layers: this must be a list."),
    "layers left blank": ("name: example\nlayers:\n", "file.yaml:2: layers: this must be a list."),
    "a number for a layer": (
        changed("- vote", "- 3"),
        "file.yaml:7: layers.1: a layer is one technique with its settings, such as `generate: {n: 8}` (given: 3).",
    ),
    "two techniques in one mapping": (
        changed("- vote", "- {vote: , critique: {model: judge}}"),
        "file.yaml:7: layers.1: a layer is one technique with its settings, such as `generate: {n: 8}`.",
    ),
    "a list in a parallel layer": (
        changed("- vote", "- [vote, [vote]]"),
        "file.yaml:7: layers.1.1: a layer is one technique with its settings, such as `generate: {n: 8}`.",
    ),
    "text for settings": (
        changed("{model: solver, n: 2}", "solver"),
        "file.yaml:6: layers.0.generate: this must be a mapping of settings (given: 'solver').",
    ),
    "a list for models": (
        "name: example\nmodels: [openai/x]\nlayers: [generate: {model: openai/x}]\n",
        "file.yaml:2: models: this must be a mapping.",
    ),
    "a number for a model": (
        changed("judge: openai/y", "judge: 3"),
        "file.yaml:4: models.judge: this must be a mapping of settings (given: 3).",
    ),
    "a number for a reference": (
        changed("model: solver", "model: 3"),
        "file.yaml:6: layers.0.generate.model: name one model or a list of them (given: 3).",
    ),
    "a slash in a role": (
        changed("judge:", "a/b:"),
        "file.yaml:4: models.a/b: a role is a plain name; write the provider and model under `use`.",
    ),
    "first layer without candidates": (
        "name: example\n\nlayers:\n  - vote\n",
        "file.yaml:4: layers.0: vote works on candidates and no layer before it makes any; "
        "start with a layer that does, such as generate.",
    ),
    "incomplete prompt": (
        changed("- vote", "- rank: {model: judge, prompt: '{question}'}"),
        "file.yaml:7: layers.1.rank.prompt: the prompt must contain {candidates} (given: '{question}').",
    ),
    "key given twice": (YAML_TEXT + "name: other\n", 'file.yaml:9: found duplicate key "name".'),
    "unset variable": (
        changed("judge: openai/y", "judge: ${ARCHON_NOT_SET}"),
        "file.yaml:4: the environment variable ARCHON_NOT_SET is not set; "
        "set it or give a default, as in ${ARCHON_NOT_SET:-value}.",
    ),
    "variable without quotes in a flow mapping": (
        changed("openai/x", "${ARCHON_NOT_SET}"),
        "file.yaml:3: expected ',' or '}', but got '{'; put ${...} in quotes inside braces or brackets.",
    ),
    "a tagged value": (
        YAML_TEXT + "description: !secret x\n",
        "file.yaml:9: description: only text, numbers, true, false, null, lists and mappings are understood; "
        "put in quotes what is meant as text.",
    ),
    "a list": (
        "- generate\n",
        "file.yaml: an architecture is a mapping with the keys name, models, layers and answer.",
    ),
    "nothing": ("", "file.yaml: an architecture is a mapping with the keys name, models, layers and answer."),
}
