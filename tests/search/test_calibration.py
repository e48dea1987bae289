"""The numbers of the simulated world: those that the real samples give, by estimators that find a known world again."""

from __future__ import annotations

import json

import pytest

from search.laws import Laws, Line, SimulatedModel
from search.simulated import World
from tests.benchmarks.calibrate import fit, flat
from tests.benchmarks.draw import OUT, run
from tests.loopback import serve
from tests.search.endpoints import Endpoints, problem_set


def test_the_numbers_are_those_that_the_real_samples_give() -> None:
    rows = [json.loads(line) for line in OUT.read_text(encoding="utf-8").splitlines()]
    abilities, laws = fit(rows)
    assert flat((abilities, Laws())) == pytest.approx(flat((abilities, laws)), abs=0.02)


KNOWN = Laws(
    difficulty=1.5,
    quirk=1.0,
    warmth=0.5,
    common=0.6,
    own=1.2,
    score=Line(0.4, 0.1),
    rank=Line(0.2, 0.2),
    verify=Line(0.6, 0.2),
    fuse=Line(0.5, 0.1),
    lasting=0.6,
    remark=0.4,
    leniency=Line(0.3, -0.1),
    alone=0.4,
    middle=Line(0.2, 0.1),
    unit=Line(0.8, 0.0),
)


@pytest.mark.slow
async def test_a_known_world_is_found_again_from_what_its_endpoints_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    abilities = {"small": -1.0, "solver": 1.5}
    models = {f"openai/{name}": SimulatedModel(ability, (0.0, 0.0)) for name, ability in abilities.items()}
    world = World(0, 600, models, laws=KNOWN)
    with serve(Endpoints(world)) as server:
        rows = await run(problem_set(600).problems, None, url=server.base_url)
    found, known = flat(fit(rows)), flat((abilities, KNOWN))
    assert found == pytest.approx(known, abs=0.25)
    assert found["difficulty"] > found["quirk"]
    assert found["rank, solver"] - found["rank, small"] > 0.25
