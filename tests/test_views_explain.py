"""The explanation of one entry: paths that add up to the sweep's own number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import programs, small

from minigrad import Function, Tensor, explain, gradients, mse_loss, relu


def network():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    W = Tensor(rng.normal(size=(3, 2)), requires_grad=True)
    h = relu(x @ W)
    return mse_loss(h, y) + (h * h).sum() * h.sum(), W, x


@given(programs(), st.integers(0, 99), st.data())
def test_paths_and_terms_add_up_exactly(program, seed, data):
    """On whole numbers, where every order of summation gives the same."""
    leaves = [Tensor(a, requires_grad=True) for a in program.leaves]
    output = program(*leaves)
    used = [i for i in sorted(program.used()) if i < len(leaves) and leaves[i].size]
    x = leaves[data.draw(st.sampled_from(used))] if used else None
    if x is None or output.op is None:
        return
    (g,) = gradients(output, x, gradient=small(output.shape, seed), allow_unused=True)
    if g is None:
        return
    index = data.draw(st.sampled_from(list(np.ndindex(x.shape))))
    found = explain(output, x, index, gradient=small(output.shape, seed))
    assert found.entry == g.data[index]
    if len(found.paths) == found.count:
        assert found.total == found.entry
        assert "on no path" not in str(found)
    for path in found.paths:
        assert path.nodes[0] is output
        assert path.nodes[-1] is x
        assert all(any(b is x for x in a.inputs) for a, b in zip(path.nodes, path.nodes[1:], strict=False))
        if len(path.nodes) > 1:
            assert sum(term.value for term in path.terms) == path.contribution


def test_rounding():
    loss, W, _ = network()
    for index in np.ndindex(W.shape):
        found = explain(loss, W, index)
        assert found.count == len(found.paths) == 4
        assert found.total == pytest.approx(found.entry, rel=1e-13)
        sizes = [abs(path.contribution) for path in found.paths]
        assert sizes == sorted(sizes, reverse=True)
        assert "on no path" not in str(found)


def test_what_is_written():
    W = Tensor([[2.0], [1.0]], requires_grad=True)
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 0.5]])
    z = x @ W
    loss = (z * z).sum()
    lines = str(explain(loss, W, (1, 0), terms=1)).splitlines()
    assert lines[0] == "d loss / d W[1, 0] = 106.5, the sum over 2 paths"
    assert lines[2] == "1.  53.25  along loss → t2 → z → W"
    assert lines[3].startswith("    loss = sum(t2)    test_views_explain.py:")
    assert lines[3].endswith("  (z * z).sum()")
    assert lines[6] == "    z[1, 0]: derivative to W[1, 0] 4 · cotangent 10 = 40"
    assert lines[7] == "    the other 2 entries: 13.25"
    assert lines[-1] == "total of all 2 paths: 106.5; the sweep gives 106.5"
    one = str(explain(loss, W, (1, 0), paths=1))
    assert "    53.25  the other path" in one


def test_the_largest_come_first_in_a_wide_graph():
    """2**30 paths, where the product of the larger factors is the largest of all."""
    x = z = Tensor(1.0, requires_grad=True)
    for _ in range(30):
        z = 1.5 * z + 0.25 * z
    found = explain(z, x)
    assert found.count == 2**30
    assert found.paths[0].contribution == 1.5**30
    assert found.paths[1].contribution == 1.5**29 * 0.25
    assert len(found.paths) <= 64
    assert f"not followed: {2**30 - len(found.paths):,} paths" in str(found)
    assert f"total of {len(found.paths)} of 1,073,741,824 paths" in str(found)


def test_a_hook_and_a_backward_that_is_not_linear_are_found_out():
    class Squared(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def backward(ctx, grad):
            return 3 * grad * abs(grad)

    x = Tensor([2.0], requires_grad=True)
    y = Squared.apply(x * 1.0)
    assert "on no path" not in str(explain((y * 2).sum(), x, 0))
    both = str(explain(((y * 2) + (y * 5)).sum(), x, 0))  # 3 * 49, where the paths have 3 * 4 and 3 * 25
    assert "60 is on no path: a backward that is not linear" in both
    z = x * 1.0
    z.register_hook(lambda g: 10 * g)
    assert "27 is on no path: a hook on z changes" in str(explain((z * 3).sum(), x, 0))


def test_the_output_itself_and_a_result_on_the_way():
    x = Tensor(3.0, requires_grad=True)
    y = x * x
    z = np.exp(y)
    assert explain(z, z).entry == 1.0
    assert "the output itself" in str(explain(z, z))
    assert explain(z, y).entry == z.item()


def test_too_many_entries_are_said_so(monkeypatch):
    monkeypatch.setattr("minigrad.views.explain.ENTRIES", 5)
    loss, W, _ = network()
    found = explain(loss, W, (0, 0))
    assert found.paths[0].terms is None
    assert "has more than 5 entries" in str(found)


def test_what_cannot_be_explained():
    loss, W, _ = network()
    with pytest.raises(RuntimeError, match="no derivative leads from loss to a Tensor that is not on its tape"):
        explain(loss, Tensor(1.0, requires_grad=True))
    with pytest.raises(RuntimeError, match="to a list that is not on its tape"):
        explain(loss, [1.0])
    with pytest.raises(IndexError, match=r"an entry of W, of shape \(3, 2\), has 2 numbers, and got 1"):
        explain(loss, W, 1)
    with pytest.raises(IndexError, match="no entry"):
        explain(loss, W, (3, 0))
    with pytest.raises(RuntimeError, match="backward starts from one number"):
        explain(W * 2, W, (0, 0))
    assert explain(loss, W, (-1, -1)).index == (2, 1)
