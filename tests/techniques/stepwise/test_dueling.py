"""The navigator's network against numbers worked out by hand, differences, and a process whose optimum is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from techniques.stepwise.dueling import Batch, Network, double_targets, dueling, train


def test_the_values_of_actions_by_hand() -> None:
    values = dueling(np.array([[10.0], [0.0]]), np.array([[1.0, 2.0, 6.0], [-1.0, 0.0, 1.0]]))
    assert values.tolist() == [[8.0, 9.0, 13.0], [-1.0, 0.0, 1.0]]


def test_the_forward_pass_by_hand() -> None:
    network = Network(
        hidden=((np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([0.0, 1.0])),),
        value=(np.array([[1.0], [3.0]]), np.array([0.5])),
        advantage=(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([0.0, 1.0])),
    )
    # Hidden: (1 + 2, -1 + 1) = (3, 0) and (max(-3, 0), 4) = (0, 4); values 3.5 and 12.5; advantages (6, 1) and (0, 17).
    assert network.values(np.array([[1.0, 1.0], [-3.0, 0.0]])).tolist() == [[6.0, 1.0], [4.0, 21.0]]
    assert network.parameters == 6 + 3 + 6
    assert network.shape == (2, 2)


def test_the_learning_network_chooses_and_its_older_copy_says_what_that_is_worth() -> None:
    batch = Batch(
        states=np.zeros((4, 1)),
        actions=np.zeros(4, dtype=np.int64),
        rewards=np.array([1.0, 1.0, 1.0, 0.25]),
        following=np.zeros((4, 1)),
        allowed=np.array([[True, True, True], [True, True, False], [False, True, False], [False, False, False]]),
    )
    online = np.tile([3.0, 1.0, 5.0], (4, 1))
    target = np.tile([10.0, 20.0, 4.0], (4, 1))
    # It would choose the third, the first, the only one allowed, and nothing at the end; never the older copy's best.
    assert double_targets(batch, online, target, 0.5).tolist() == [1 + 2, 1 + 5, 1 + 10, 0.25]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(), (4,), (5, 3)]))
def test_gradients_are_those_of_finite_differences(seed: int, hidden: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    # Biases of zero would put units above dead ones exactly where the rectifier bends.
    *below, value, advantage = [(w, rng.normal(size=b.shape)) for w, b in Network.random(3, 4, hidden, rng).layers]
    network = Network(tuple(below), value, advantage)
    states, actions, errors = rng.normal(size=(6, 3)), rng.integers(4, size=6), rng.normal(size=6)

    def loss(changed: Network) -> float:
        return float((changed.values(states)[np.arange(6), actions] * errors).sum())

    found = network.gradients(states, actions, errors)
    place = int(rng.integers(len(network.layers)))
    for part in (0, 1):
        entry = tuple(int(rng.integers(size)) for size in network.layers[place][part].shape)
        step = 1e-6
        sides = []
        for sign in (1, -1):
            layers = [[array.copy() for array in layer] for layer in network.layers]
            layers[place][part][entry] += sign * step
            *below, value, advantage = [(weights, biases) for weights, biases in layers]
            sides.append(loss(Network(tuple(below), value, advantage)))
        # Where a rectifier bends between the two sides, the difference says nothing; 1e-6 makes that unlikely.
        assert found[place][part][entry] == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-4, abs=1e-6)


def _corridor(seed: int) -> Batch:
    """A corridor of five places: right is the way to the reward at its end, a small one tempts at once.

    Actions: 0 goes left, 1 goes right and ends the episode with 1 behind the last place, 2 ends it with 0.3, which is
    not possible in the middle.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(600):
        place, action = int(rng.integers(5)), int(rng.integers(3))
        if place == 2 and action == 2:
            continue
        after = {0: max(place - 1, 0), 1: place + 1, 2: None}[action]
        over = after is None or after == 5
        reward = 0.3 if action == 2 else 1.0 if after == 5 else 0.0
        mask = [not over, not over, not over and after != 2]
        rows.append((np.eye(5)[place], action, reward, np.eye(5)[0 if over else after], mask))
    states, actions, rewards, following, allowed = zip(*rows, strict=True)
    return Batch(np.array(states), np.array(actions), np.array(rewards), np.array(following), np.array(allowed))


@pytest.mark.parametrize("seed", [0, 1])
def test_it_learns_the_best_way_through_a_small_process(seed: int) -> None:
    network = train(_corridor(seed), seed=seed, hidden=(16,), updates=1_500, rate=3e-3, discount=0.7, sync=50)
    values = network.values(np.eye(5))
    # Going right is worth 0.7 to the power of the places left; at the first two the temptation is worth more.
    # From place 1 it is 0.343, which beats 0.3; from place 0 it is 0.2401, which does not.
    assert values[0].argmax() == 2
    assert [int(values[place].argmax()) for place in (1, 3, 4)] == [1, 1, 1]
    assert values[2, 1] > values[2, 0]
    optimal = [[0.21, 0.2401, 0.3], [0.21, 0.343, 0.3], [0.2401, 0.49, np.nan], [0.343, 0.7, 0.3], [0.49, 1.0, 0.3]]
    known = ~np.isnan(optimal)
    assert np.abs(values - optimal)[known].max() < 0.05


def test_learning_is_decided_by_the_seed() -> None:
    batch = _corridor(0)
    first, again, other = (train(batch, seed=seed, hidden=(4,), updates=30).values(np.eye(5)) for seed in (3, 3, 4))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_what_is_no_network_is_refused() -> None:
    rng = np.random.default_rng(0)
    assert Network.random(7, 5, (32, 32), rng).parameters == 8 * 32 + 33 * 32 + 33 * 6
    with pytest.raises(ValueError, match="fewer than 3,000"):
        Network.random(7, 5, (64, 64), rng)
    good = Network.random(2, 3, (4,), rng)
    with pytest.raises(ValueError, match="finite"):
        Network(good.hidden, (good.value[0] * np.nan, good.value[1]), good.advantage)
    with pytest.raises(ValueError, match="biases"):
        Network(good.hidden, (good.value[0], np.zeros(2)), good.advantage)
    for hidden, value, advantage in (
        (good.hidden, good.advantage, good.advantage),
        (good.hidden, (np.zeros((3, 1)), np.zeros(1)), good.advantage),
        (good.hidden, good.value, (np.zeros((3, 3)), np.zeros(3))),
        ((*good.hidden, *good.hidden), good.value, good.advantage),
    ):
        with pytest.raises(ValueError, match="fit"):
            Network(hidden, value, advantage)
    with pytest.raises(ValueError, match="no transitions"):
        train(_corridor(0).at(np.array([], dtype=np.int64)))
