"""What holds for every reverse-mode engine, whatever the operations are: on random programs of whole numbers, exactly.

None of this sees a wrong rule (a derivative of exp that is off by a factor is linear, too); the rules are judged by
test_ops.py. This sees an engine that adds up, visits, keeps or forgets the wrong things.
"""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paths
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import Program, programs, small
from students import no_collector
from test_graphs import counted_rules

import minigrad
from minigrad import Tensor, backprop, grad, gradients, hessian, hvp, jvp, no_grad, tape, vjp

seeds = st.integers(0, 2**32)


def swept(program: Program, g: np.ndarray) -> list[np.ndarray]:
    """The gradients that backward leaves on the leaves; zeros where it leaves none."""
    leaves = [Tensor(a, requires_grad=True) for a in program.leaves]
    program(*leaves).backward(g)
    return [np.zeros_like(x.data) if x.grad is None else x.grad for x in leaves]


def inner(a: Sequence[Any], b: Sequence[Any]) -> float:
    return float(sum(np.sum(x * y) for x, y in zip(a, b, strict=True)))


def directions(program: Program, seed: int) -> list[np.ndarray]:
    return [small(a.shape, seed + i) for i, a in enumerate(program.leaves)]


# ---------------------------------------------------------------------------------------------------------- linear maps
@given(programs(), seeds)
def test_linear_in_the_cotangent(program, seed):
    u, v = (small(program(*map(Tensor, program.leaves)).shape, seed + i) for i in range(2))
    once, twice, both = swept(program, u), swept(program, v), swept(program, 3 * u - 2 * v)
    for a, b, c in zip(once, twice, both, strict=True):
        np.testing.assert_array_equal(3 * a - 2 * b, c)


@given(programs(), seeds)
def test_pushing_forward_and_pulling_back_are_adjoint(program, seed):
    """<u, Jv> = <Jᵀu, v>."""
    v = directions(program, seed)
    y, jv = jvp(program, program.leaves, v)
    u = small(y.shape, seed)
    value, pullback = vjp(program, *program.leaves)
    np.testing.assert_array_equal(value, y)
    assert inner([u], [jv]) == inner(pullback(u), v)


@given(programs(), seeds)
def test_the_chain_rule(program, seed):
    """To pull back through g ∘ f is to pull back through g, then through f: at any value that is a cut of the graph."""
    leaves = [Tensor(a, requires_grad=True) for a in program.leaves]
    middle = program(*leaves)
    end = (middle * middle + 3.0 * middle).reshape(-1)
    u = small(end.shape, seed)
    (back,) = gradients(end, [middle], gradient=u)
    np.testing.assert_array_equal(back.data, u.reshape(middle.shape) * (2 * middle.data + 3))
    at_once = gradients(end, leaves, gradient=u, allow_unused=True)
    in_two = gradients(middle, leaves, gradient=back, allow_unused=True)
    together, *after = gradients(end, [middle, *leaves], gradient=u, allow_unused=True)
    np.testing.assert_array_equal(together.data, back.data)
    for a, b, c in zip(at_once, in_two, after, strict=True):
        assert (a is None) == (b is None) == (c is None)
        assert a is None or (np.array_equal(a.data, b.data) and np.array_equal(a.data, c.data))


@given(programs(), st.data())
def test_the_order_of_construction_does_not_matter(program, data):
    """The same graph, its nodes made in another order that the operands allow."""
    remaining, order = list(range(len(program.steps))), []
    while remaining:
        made = {*range(len(program.leaves)), *[len(program.leaves) + k for k in order]}
        ready = [k for k in remaining if made.issuperset(program.steps[k][1])]
        order.append(data.draw(st.sampled_from(ready)))
        remaining.remove(order[-1])

    def results(order: Sequence[int]) -> list[np.ndarray]:
        leaves = [Tensor(a, requires_grad=True) for a in program.leaves]
        values = program.values(leaves, order)
        for y in values[len(leaves) :]:  # every value is a root once
            y.sum().backward()
        return [v.data for v in values] + [x.grad for x in leaves if x.grad is not None]

    for a, b in zip(results(range(len(program.steps))), results(order), strict=True):
        np.testing.assert_array_equal(a, b)


@given(programs(most_steps=6), seeds)
def test_the_hessian_is_symmetric(program, seed):
    """<v, Hw> = <w, Hv>; and H w is H times w."""

    def number(*leaves: Tensor) -> Tensor:
        return program(*leaves).sum()

    v, w = directions(program, seed), directions(program, seed + 10)
    Hw = hvp(number, program.leaves, w)
    assert inner(v, Hw) == inner(w, hvp(number, program.leaves, v))
    blocks = hessian(number, argnums=range(len(v)))(*program.leaves)
    for i, row in enumerate(blocks):
        for j, block in enumerate(row):
            m = v[i].size
            np.testing.assert_array_equal(block.reshape(m, -1), blocks[j][i].reshape(-1, m).T)
        products = [np.tensordot(block, wj, wj.ndim) for block, wj in zip(row, w, strict=True)]
        np.testing.assert_array_equal(np.sum(products, axis=0), Hw[i])


@given(programs())
def test_only_what_is_used_has_a_gradient(program):
    """None on leaves that the result does not depend on; zeros of their shape, where a function is differentiated."""
    leaves = [Tensor(a, requires_grad=True) for a in program.leaves]
    y = program(*leaves)
    y.sum().backward()
    assert {i for i, x in enumerate(leaves) if x.grad is not None} == program.used()
    assert {i for i, x in enumerate(leaves) if x in set(tape(y))} == program.used()
    found = grad(lambda *xs: program(*xs).sum(), argnums=range(len(leaves)))(*program.leaves)
    for i, (a, g) in enumerate(zip(program.leaves, found, strict=True)):
        assert (g.shape, g.dtype) == (a.shape, a.dtype)
        assert i in program.used() or not g.any()


# --------------------------------------------------------------------------------------------------------- determinism
def test_the_same_bits_in_every_process():
    """Nothing depends on addresses or on the hashes of strings."""
    here = paths.bits()
    assert paths.bits() == here
    for seed in "0", "1", "4294967295":
        done = subprocess.run(
            [sys.executable, "-c", "import paths; print(paths.bits())"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == here


# ------------------------------------------------------------------------------------------------------------- threads
@pytest.fixture
def busy_interpreter():
    """Threads take turns thousands of times a second."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """What each function returns, run in a thread of its own, all beginning together."""
    results: list[Any] = [None] * len(work)
    start = threading.Barrier(len(work))

    def run(i: int) -> None:
        start.wait()
        try:
            results[i] = work[i]()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.usefixtures("busy_interpreter")
def test_sweeps_in_many_threads_over_shared_leaves():
    """Graphs of their own, leaves in common, sweeps of every kind: each thread gets what it would get alone."""
    w = Tensor(np.linspace(-1.0, 1.0, 6), requires_grad=True)

    def work(k: int) -> Callable[[], list[bytes]]:
        def run() -> list[bytes]:
            found = []
            for i in range(20):
                own = Tensor(np.full(6, 1.0 + k), requires_grad=True)
                y = (np.tanh(w * own) + w * float(i)).sum()
                y.backward() if k % 2 else None
                (first,) = gradients(y, [w], create_graph=bool(k % 3))
                found += [first.data.tobytes()]
                if k % 3:
                    found += [t.data.tobytes() for t in gradients((first * first).sum(), [w, own])]
            return found

        return run

    alone = [work(k)() for k in range(6)]
    assert at_once(*[work(k) for k in range(6)]) == alone


@pytest.mark.usefixtures("busy_interpreter")
def test_recorded_sweeps_do_not_end_no_grad_in_another_thread():
    x = Tensor(2.0, requires_grad=True)
    recorded = x * x * x

    def sweeps() -> Counter[bool]:
        return Counter(gradients(recorded, [x], create_graph=True)[0].requires_grad for _ in range(300))

    def quiet() -> Counter[bool]:
        with no_grad():
            return Counter((x * x).requires_grad for _ in range(3000))

    def loud() -> Counter[bool]:
        seen: Counter[bool] = Counter()
        for _ in range(1000):
            with no_grad():
                pass
            seen[(x * x).requires_grad] += 1
        return seen

    assert at_once(sweeps, quiet, loud, sweeps) == [{True: 300}, {False: 3000}, {True: 1000}, {True: 300}]


# -------------------------------------------------------------------------------------------------------------- memory
def train(steps: int, w: Tensor, b: Tensor, step: Callable[[Tensor], None]) -> None:
    x, y = np.arange(8.0).reshape(4, 2) / 8, np.ones((4, 1))
    for _ in range(steps):
        step(minigrad.mse_loss(np.tanh(x @ w + b), y))
        with no_grad():
            for p in w, b:
                if p.grad is not None:
                    p -= 0.01 * p.grad
        w.zero_grad()
        b.zero_grad()


def plain(loss: Tensor) -> None:
    loss.backward()


def watched(w: Tensor) -> Callable[[Tensor], None]:
    """Everything that hangs something on a tensor: hooks, kept gradients, recorded sweeps."""

    def step(loss: Tensor) -> None:
        handle = w.register_hook(lambda g: 2 * g)
        loss.retain_grad()
        loss.backward()
        handle.remove()
        (slope,) = gradients(loss, [w], create_graph=True)
        (slope * slope).sum().backward()

    return step


@pytest.mark.parametrize(("kind", "steps"), [("plain", 2_000), ("watched", 500)])
def test_training_leaves_nothing_behind(kind, steps):
    """Not a block of memory more after all steps than after the first few, and nothing for the cycle collector.

    What leaks does so each time; what another thread of the test runner needs meanwhile, once.
    """
    w, b = Tensor([[1.0], [2.0]], requires_grad=True), Tensor([0.5], requires_grad=True)
    step = plain if kind == "plain" else watched(w)
    found = []
    while len(found) < 3 and (not found or max(found[-1]) >= 1000):
        with no_collector():
            tracemalloc.start()
            try:
                _ = [[(i,) * n for i in range(2000)] for n in range(1, 20)]  # free tuples that Python keeps
                del _
                train(100, w, b, step)
                objects, (before, _) = len(gc.get_objects()), tracemalloc.get_traced_memory()
                train(100, w, b, step)
                _, peak = tracemalloc.get_traced_memory()
                train(steps - 200, w, b, step)
                after, highest = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert len(gc.get_objects()) <= objects + 5
            assert gc.collect() == 0
        found.append((after - before, highest - peak))
    assert max(found[-1]) < 1000, f"bytes that stay, and bytes that one step needs more and more: {found}"


def test_a_sweep_that_fails_leaves_nothing_behind():
    """When the error is forgotten, so is the tape."""

    class Broken(minigrad.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1.0

        @staticmethod
        def backward(ctx, grad):
            raise ArithmeticError("planted")

    def fail(create_graph: bool) -> None:
        x = Tensor(np.ones(3), requires_grad=True)
        y = (np.tanh(Broken.apply(x * x)) * x).sum()
        with no_grad():
            with pytest.raises(ArithmeticError):
                gradients(y, [x], create_graph)
            after = x * 1.0
        assert not after.requires_grad
        assert after.where.text == "x * 1.0"

    fail(False)
    with no_collector():
        before = len([t for t in gc.get_objects() if type(t) is Tensor])
        fail(False)
        fail(True)
        gc.collect()  # an exception and its traceback refer to each other
        assert len([t for t in gc.get_objects() if type(t) is Tensor]) == before


# -------------------------------------------------------------------------------------------------------------- linear
def lines_of_a_step(n: int, create_graph: bool) -> tuple[int, int, int]:
    """Lines of the engine executed, rules called and nodes visited in one sweep over a chain of n operations."""
    files = {backprop.__file__, minigrad.ops.operation.__file__}
    lines = 0

    def count(frame: Any, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count if frame.f_code.co_filename in files else None

    x = Tensor(np.ones(2), requires_grad=True)
    y = x
    for _ in range(n):
        y = -y
    with counted_rules() as calls:
        outer = sys.gettrace()
        sys.settrace(count)
        try:
            gradients(y.sum(), [x], create_graph)
        finally:
            sys.settrace(outer)
        visited = len(tape(y))
    return lines, calls["negative", 0], visited


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_sweep_is_linear_in_the_length_of_the_chain(create_graph):
    """Counted, not timed: so many lines of the engine for each operation, however long the chain is."""
    alone, _, _ = lines_of_a_step(0, create_graph)
    per_operation = (lines_of_a_step(100, create_graph)[0] - alone) / 100
    assert 10 < per_operation < 100
    for n in 1_000, 3_000:
        assert lines_of_a_step(n, create_graph) == (alone + n * per_operation, n, n + 1)


# ------------------------------------------------------------------------------------------------------ the plain sweep
def plain_sweep() -> Any:
    """The sweep that is printed at the head of backprop.py."""
    lines = minigrad.backprop.__doc__.splitlines()
    first = lines.index("    def plain(output, g):")
    body = list(itertools.takewhile(lambda line: line.startswith("    "), lines[first:]))
    assert len(body) <= 12
    space = dict(vars(minigrad.backprop))
    exec(textwrap.dedent("\n".join(body)), space)
    return space["plain"]


@given(programs(8))
def test_the_sweep_is_the_plain_one_bit_for_bit(program):
    leaves = [Tensor(a, requires_grad=True) for a in program.leaves]
    y = program(*leaves)
    random = np.random.default_rng(0)
    g = random.normal(size=y.shape)
    found = plain_sweep()(y, g)
    y.backward(g)
    for leaf in leaves:
        assert (leaf.grad is None) == (leaf not in found)
        if leaf in found:
            assert leaf.grad.dtype == found[leaf].dtype
            assert leaf.grad.tobytes() == np.ascontiguousarray(found[leaf]).tobytes()
