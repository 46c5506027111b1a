"""JAX: `jit(vmap(vmap))` over lanes and tasks, or `jit(map(vmap))`, lane after lane.

Many meta-iterations run in one `fori_loop`, tasks drawn inside.  Convolutions are written as
products of patches: XLA's own on a CPU are an order of magnitude slower here.
"""

import functools
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.suite.contender import Contender, Example, Setting, Work

Tree = Any


def versions() -> dict[str, str]:
    """Return versions of what this contender is made of."""
    return {"jax": jax.__version__}


def make(work: Work, setting: Setting, lanes: int, mapped: bool) -> Contender:
    """Return lanes in JAX for a work item; `mapped` runs them one after the other."""
    return Jax(work, setting, lanes, mapped)


class Jax(Contender):
    """Lanes of one jitted program."""

    def __init__(self, work: Work, setting: Setting, lanes: int, mapped: bool) -> None:
        self.work, self.trials = work, lanes
        self._drawings = jnp.zeros(0)
        if work.images:
            self._drawings = jnp.asarray(np.load(setting.drawings))
        keys = jax.random.split(jax.random.key(0), lanes)
        self._state = jax.jit(jax.vmap(lambda key: _initial(work, key)))(keys)

        def step(state: Tree) -> Tree:
            return lax.map(self._step, state) if mapped else jax.vmap(self._step)(state)

        self._many = jax.jit(
            lambda state, n: lax.fori_loop(0, n, lambda _, s: step(s), state), donate_argnums=0
        )

    def gradient(self, example: Example) -> dict[str, np.ndarray]:
        """Return the meta-gradient of the example."""
        batch = [jnp.asarray(a) for a in example.batch if a is not None]
        weights = [jnp.asarray(w) for w in example.weights.values()]
        with jax.default_matmul_precision("highest"):
            found = _compiled_gradient(self.work)(weights, *batch)
        return {n: np.asarray(g) for n, g in zip(example.weights, found, strict=True)}

    def advance(self, meta_iterations: int) -> None:
        """Train every lane: draw tasks, adapt, take the outer step."""
        self._state = jax.block_until_ready(self._many(self._state, meta_iterations))

    def _step(self, state: Tree) -> Tree:
        weights, m, v, t, key = state
        key, drawn = jax.random.split(key)
        g = _meta_gradient(self.work, weights, *self._draw(drawn))
        if self.work.algorithm == "reptile":
            epsilon = self.work.params["epsilon"]
            return jax.tree.map(lambda w, d: w - epsilon * d, weights, g), m, v, t, key
        t = t + 1
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        rate, scale = self.work.params["outer_lr"] / (1 - 0.9**t), 1 / (1 - 0.999**t)
        weights = jax.tree.map(
            lambda w, a, b: w - rate * a / (jnp.sqrt(b * scale) + 1e-8), weights, m, v
        )
        return weights, m, v, t, key

    def _draw(self, key: jax.Array) -> list[jax.Array]:
        tasks = self.work.meta_batch
        if self.work.images:
            return self._images(key)
        if self.work.algorithm == "maml":
            shots = self.work.tasks["k_shot"]
            x, y = _waves(key, tasks, shots + self.work.tasks["q_query"])
            return [x[:, :shots], y[:, :shots], x[:, shots:], y[:, shots:]]
        shots = self.work.params["train_shots"]
        wave, order = jax.random.split(key)
        rows = jnp.broadcast_to(jnp.arange(shots), (tasks, shots))
        shuffled = jax.random.permutation(order, rows, axis=1, independent=True)
        return [*_waves(wave, tasks, shots), shuffled.reshape(tasks, self.work.steps, -1)]

    def _images(self, key: jax.Array) -> list[jax.Array]:
        tasks, way = self.work.meta_batch, self.work.tasks["n_way"]
        shots = self.work.tasks["k_shot"]
        count = shots + self.work.tasks["q_query"]
        classes, which = jax.random.split(key)
        characters, drawings = self._drawings.shape[:2]
        _, chosen = lax.top_k(jax.random.uniform(classes, (tasks, characters)), way)
        _, drawn = lax.top_k(jax.random.uniform(which, (tasks, way, drawings)), count)
        greys = self._drawings[chosen[..., None], drawn].astype(jnp.float32) / 255

        def part(some: jax.Array, k: int) -> list[jax.Array]:
            label = jnp.broadcast_to(jnp.arange(way).repeat(k), (tasks, way * k))
            return [some.reshape(tasks, way * k, 1, 28, 28), label]

        return [*part(greys[:, :, :shots], shots), *part(greys[:, :, shots:], count - shots)]


@functools.cache
def _compiled_gradient(work: Work) -> Callable[..., Tree]:
    return jax.jit(functools.partial(_meta_gradient, work))


def _meta_gradient(work: Work, weights: Tree, *batch: jax.Array) -> Tree:
    if work.algorithm == "reptile":
        task = functools.partial(_reptile_task, work)
        ends = jax.vmap(task, (None, 0, 0, 0))(weights, *batch)
        return jax.tree.map(lambda w, end: w - end.mean(0), weights, ends)

    def loss(weights: Tree) -> jax.Array:
        task = functools.partial(_maml_task, work)
        return jax.vmap(task, (None, 0, 0, 0, 0))(weights, *batch).mean()

    return jax.grad(loss)(weights)


def _maml_task(work: Work, weights: Tree, x_s: Tree, y_s: Tree, x_q: Tree, y_q: Tree) -> jax.Array:
    for _ in range(work.steps):
        g = jax.grad(_loss)(weights, x_s, y_s)
        if work.first_order:
            g = lax.stop_gradient(g)
        weights = jax.tree.map(lambda w, d: w - work.inner_lr * d, weights, g)
    return _loss(weights, x_q, y_q)


def _reptile_task(work: Work, weights: Tree, x: Tree, y: Tree, order: Tree) -> Tree:
    for k in range(work.steps):
        g = jax.grad(_loss)(weights, x[order[k]], y[order[k]])
        weights = jax.tree.map(lambda w, d: w - work.inner_lr * d, weights, g)
    return weights


def _loss(weights: Tree, x: jax.Array, y: jax.Array) -> jax.Array:
    if not jnp.issubdtype(y.dtype, jnp.integer):
        return jnp.square(_mlp(weights, x) - y).mean()
    logits = jax.nn.log_softmax(_conv4(weights, x))
    return -jnp.take_along_axis(logits, y[:, None], 1).mean()


def _waves(key: jax.Array, tasks: int, points: int) -> tuple[jax.Array, jax.Array]:
    a, b, c = jax.random.split(key, 3)
    amplitude = jax.random.uniform(a, (tasks, 1, 1), minval=0.1, maxval=5.0)
    phase = jax.random.uniform(b, (tasks, 1, 1), maxval=np.pi)
    x = jax.random.uniform(c, (tasks, points, 1), minval=-5.0, maxval=5.0)
    return x, amplitude * jnp.sin(x - phase)


def _initial(work: Work, key: jax.Array) -> Tree:
    """Return the state of a lane: weights, moments, steps taken, key."""
    weights = _conv4_weights(work, key) if work.images else _mlp_weights(work, key)
    zeros = [jnp.zeros_like(weight) for weight in weights]
    return weights, zeros, zeros, jnp.zeros(()), key


def _mlp_weights(work: Work, key: jax.Array) -> list[jax.Array]:
    weights, widths = [], [1, *work.model["widths"], 1]
    for i, (wide, narrow) in enumerate(pairwise(widths)):
        weights += [_glorot(key, i, (wide, narrow)), jnp.zeros(narrow)]
    return weights


def _conv4_weights(work: Work, key: jax.Array) -> list[jax.Array]:
    weights, filters, way = [], work.model["filters"], work.tasks["n_way"]
    for i in range(4):
        kernel = _glorot(key, i, (filters, filters if i else 1, 3, 3))
        weights += [kernel, jnp.ones(filters), jnp.zeros(filters)]
    return [*weights, _glorot(key, 4, (4 * filters, way)), jnp.zeros(way)]


def _glorot(key: jax.Array, i: int, shape: tuple[int, ...]) -> jax.Array:
    bound = np.sqrt(6.0 / (np.prod(shape[2:]) * (shape[0] + shape[1])))
    return jax.random.uniform(jax.random.fold_in(key, i), shape, minval=-bound, maxval=bound)


def _mlp(weights: list[jax.Array], x: jax.Array) -> jax.Array:
    for i in range(0, len(weights) - 2, 2):
        x = jax.nn.relu(x @ weights[i] + weights[i + 1])
    return x @ weights[-2] + weights[-1]


def _conv4(weights: list[jax.Array], x: jax.Array) -> jax.Array:
    convolution = _patches if jax.default_backend() == "cpu" else _convolution
    x = x.transpose(0, 2, 3, 1)
    for i in range(0, 12, 3):
        kernel, gamma, beta = weights[i : i + 3]
        x = convolution(x, kernel.transpose(2, 3, 1, 0))
        mean = x.mean((0, 1, 2))
        variance = jnp.square(x - mean).mean((0, 1, 2))
        x = jax.nn.relu((x - mean) * lax.rsqrt(variance + 1e-5) * gamma + beta)
    return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1) @ weights[12] + weights[13]


def _convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _patches(x: jax.Array, kernel: jax.Array) -> jax.Array:
    count, size, _, channels = x.shape
    half = (size + 1) // 2
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [
        padded[:, i : i + 2 * half - 1 : 2, j : j + 2 * half - 1 : 2]
        for i in range(3)
        for j in range(3)
    ]
    columns = jnp.stack(taps, axis=3).reshape(count * half * half, 9 * channels)
    return (columns @ kernel.reshape(9 * channels, -1)).reshape(count, half, half, -1)
