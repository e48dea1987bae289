"""A dueling network of values of actions, and how it learns them from recorded transitions by double Q-learning.

Nothing here knows what a state or an action means. Sources: Wang et al. 2016 (dueling, arXiv:1511.06581), van Hasselt
et al. 2016 (double DQN, arXiv:1509.06461), Kingma and Ba 2015 (Adam, arXiv:1412.6980).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Layer = tuple[Array, Array]
"""Weights of shape (inputs, outputs) and biases of shape (outputs,)."""

MOST_PARAMETERS = 2_999
DECAYS = (0.9, 0.999)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Layers with rectifiers, and on top of them the value of the state and the advantages of the actions.

    Attributes:
        hidden: The layers below.
        value: From the last of them to one number.
        advantage: From the last of them to one number per action.

    Raises:
        ValueError: The shapes do not fit together, a number is not finite, or there are 3,000 parameters or more.
    """

    hidden: tuple[Layer, ...]
    value: Layer
    advantage: Layer

    def __post_init__(self) -> None:
        for weights, biases in self.layers:
            if weights.ndim != 2 or biases.shape != weights.shape[1:]:
                raise ValueError(f"weights of shape {weights.shape} do not go with biases of shape {biases.shape}")
            if not (np.isfinite(weights).all() and np.isfinite(biases).all()):
                raise ValueError("a weight or bias is not a finite number")
        below = [self.hidden[-1][0].shape[1]] if self.hidden else [self.value[0].shape[0]]
        pairs = [*pairwise(self.hidden), *([(self.hidden[-1], self.value)] if self.hidden else [])]
        if any(lower[0].shape[1] != upper[0].shape[0] for lower, upper in pairs):
            raise ValueError("the layers do not fit together")
        if [self.advantage[0].shape[0]] != below or self.value[0].shape[1] != 1:
            raise ValueError("value and advantages do not fit the layers below them")
        if self.parameters > MOST_PARAMETERS:
            raise ValueError(f"the network has {self.parameters:,} parameters, not fewer than 3,000")

    @classmethod
    def random(cls, inputs: int, actions: int, hidden: tuple[int, ...], rng: np.random.Generator) -> Network:
        """A network that has learnt nothing, initialised as in He et al. 2015 (arXiv:1502.01852)."""

        def layer(rows: int, columns: int) -> Layer:
            return rng.normal(0.0, np.sqrt(2 / rows), (rows, columns)), np.zeros(columns)

        sizes = (inputs, *hidden)
        layers = tuple(layer(rows, columns) for rows, columns in pairwise(sizes))
        return cls(layers, layer(sizes[-1], 1), layer(sizes[-1], actions))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All of them: the hidden ones, the value, the advantages."""
        return (*self.hidden, self.value, self.advantage)

    @property
    def parameters(self) -> int:
        """How many numbers it consists of."""
        return sum(weights.size + biases.size for weights, biases in self.layers)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of inputs and of actions."""
        return self.layers[0][0].shape[0], self.advantage[0].shape[1]

    def values(self, states: Array) -> Array:
        """The value of every action in every state.

        Args:
            states: Of shape (states, inputs).

        Returns:
            Of shape (states, actions).
        """
        return self._forward(states)[-1]

    def gradients(self, states: Array, actions: NDArray[np.int64], errors: Array) -> tuple[Layer, ...]:
        """What to change to change the values of some actions.

        Args:
            states: Of shape (states, inputs).
            actions: One for each state.
            errors: The derivative of the loss by the value of that action, one for each state.

        Returns:
            The derivatives of the loss, in the order of :attr:`layers`.
        """
        *activations, values = self._forward(states)
        top = activations[-1]
        by_value = np.zeros_like(values)
        by_value[np.arange(len(states)), actions] = errors
        # Taking the mean off the advantages spreads every derivative over all of them.
        by_advantage = by_value - by_value.mean(axis=1, keepdims=True)
        by_state = by_value.sum(axis=1, keepdims=True)
        found = [(top.T @ by_state, by_state.sum(axis=0)), (top.T @ by_advantage, by_advantage.sum(axis=0))]
        down = by_state @ self.value[0].T + by_advantage @ self.advantage[0].T
        for (weights, _), below, above in zip(
            reversed(self.hidden), reversed(activations[:-1]), reversed(activations), strict=False
        ):
            down = down * (above > 0)
            found.insert(0, (below.T @ down, down.sum(axis=0)))
            down = down @ weights.T
        return tuple(found)

    def _forward(self, states: Array) -> list[Array]:
        activations = [states]
        for weights, biases in self.hidden:
            activations.append(np.maximum(activations[-1] @ weights + biases, 0.0))
        value = activations[-1] @ self.value[0] + self.value[1]
        advantages = activations[-1] @ self.advantage[0] + self.advantage[1]
        return [*activations, dueling(value, advantages)]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Transitions side by side.

    Attributes:
        states: Of shape (transitions, inputs).
        actions: What was done in each.
        rewards: What that brought.
        following: The states it led to; any numbers where the episode was over.
        allowed: Which actions were possible there, of shape (transitions, actions); none where it was over.
    """

    states: Array
    actions: NDArray[np.int64]
    rewards: Array
    following: Array
    allowed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.actions)

    def at(self, places: NDArray[np.int64]) -> Batch:
        """Those at some places."""
        return Batch(
            self.states[places],
            self.actions[places],
            self.rewards[places],
            self.following[places],
            self.allowed[places],
        )


def dueling(value: Array, advantages: Array) -> Array:
    """The values of actions: the value of the state plus each advantage less the mean advantage.

    Args:
        value: Of shape (states, 1).
        advantages: Of shape (states, actions).
    """
    mean: Array = advantages.mean(axis=1, keepdims=True)
    return value + advantages - mean


def double_targets(batch: Batch, online: Array, target: Array, discount: float) -> Array:
    """What the values of the actions taken should be.

    Args:
        batch: The transitions.
        online: The values of all actions in the following states under the network that learns; they choose.
        target: Those under its older copy; they say what the choice is worth.
        discount: What a reward one step later is worth.

    Returns:
        One number per transition.
    """
    chosen = np.where(batch.allowed, online, -np.inf).argmax(axis=1)
    worth = target[np.arange(len(batch)), chosen]
    return batch.rewards + discount * np.where(batch.allowed.any(axis=1), worth, 0.0)


def train(
    batch: Batch,
    *,
    seed: int = 0,
    hidden: tuple[int, ...] = (32, 32),
    updates: int = 3_000,
    size: int = 64,
    rate: float = 1e-3,
    discount: float = 0.9,
    sync: int = 100,
) -> Network:
    """Learn the values of actions from transitions, whoever chose those actions.

    Args:
        batch: All transitions there are.
        seed: Decides the first weights and the order of learning.
        hidden: The widths of the hidden layers.
        updates: How many steps Adam takes.
        size: On how many transitions each, drawn with replacement.
        rate: How long the steps are.
        discount: What a reward one step later is worth.
        sync: After how many steps the older copy is replaced.

    Raises:
        ValueError: There is nothing to learn from, or the network would have too many parameters.
    """
    if not len(batch):
        raise ValueError("there are no transitions to learn from")
    rng = np.random.default_rng(seed)
    network = older = Network.random(batch.states.shape[1], batch.allowed.shape[1], hidden, rng)
    numbers = [array.copy() for layer in network.layers for array in layer]
    means = [np.zeros_like(array) for array in numbers]
    squares = [np.zeros_like(array) for array in numbers]
    for update in range(1, updates + 1):
        sample = batch.at(rng.integers(len(batch), size=size))
        targets = double_targets(sample, network.values(sample.following), older.values(sample.following), discount)
        errors = network.values(sample.states)[np.arange(size), sample.actions] - targets
        # The derivative of Huber's loss, so that a few far-off targets do not carry the others away.
        found = network.gradients(sample.states, sample.actions, np.clip(errors, -1.0, 1.0) / size)
        for place, gradient in enumerate(array for layer in found for array in layer):
            means[place] = DECAYS[0] * means[place] + (1 - DECAYS[0]) * gradient
            squares[place] = DECAYS[1] * squares[place] + (1 - DECAYS[1]) * gradient**2
            mean = means[place] / (1 - DECAYS[0] ** update)
            square = squares[place] / (1 - DECAYS[1] ** update)
            numbers[place] = numbers[place] - rate * mean / (np.sqrt(square) + 1e-8)
        *below, value, advantage = list(zip(numbers[::2], numbers[1::2], strict=True))
        network = Network(tuple(below), value, advantage)
        if update % sync == 0:
            older = network
    return network
