"""The drawing and its layout."""

import ctypes
import ctypes.util
import itertools
import random
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import programs

import minigrad
from minigrad import Tensor, draw, mse_loss, optim, relu
from minigrad.engine.words import brief
from minigrad.views.draw import Box, curve, picture
from minigrad.views.layout import GAP, crossings, increasing, layered, ordered, rows_of
from minigrad.views.steps import Trace

SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawing):
    root = ET.fromstring(drawing.svg)
    nodes = {g.get("data-node"): g for g in root.iter(f"{SVG}g") if g.get("data-node")}
    edges = {g.get("data-edge"): g for g in root.iter(f"{SVG}g") if g.get("data-edge")}
    return root, nodes, edges


def words(group):
    return [text.text for text in group.iter(f"{SVG}text")]


def network():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 1))
    W = Tensor(rng.normal(size=(3, 1)), requires_grad=True)
    b = Tensor([0.5], requires_grad=True)
    loss = mse_loss(relu(x @ W + b), y)
    return loss, W, b, draw(loss), draw(loss, backward=True, lr=0.1)


# ------------------------------------------------------------------------------------------------------------- layout
@st.composite
def graphs(draw):
    count = draw(st.integers(1, 25))
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda e: e[0] < e[1])
    edges = draw(st.lists(pair, max_size=40)) if count > 1 else []
    side = st.integers(10, 90)
    return draw(st.lists(st.tuples(side, side), min_size=count, max_size=count)), edges


@given(graphs())
def test_no_two_boxes_overlap_and_edges_lead_down(graph):
    sizes, edges = graph
    layout = layered(sizes, edges)
    boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(layout.places, sizes, strict=True)]
    for a, b in itertools.combinations(boxes, 2):
        apart = a[2] + GAP <= b[0] + 1e-6 or b[2] + GAP <= a[0] + 1e-6 or a[3] <= b[1] + 1e-6 or b[3] <= a[1] + 1e-6
        assert apart
    for left, top, right, bottom in boxes:
        assert min(left, top) > -1e-6
        assert right < layout.width + 1e-6
        assert bottom < layout.height + 1e-6
    for (a, b), route in zip(edges, layout.routes, strict=True):
        assert boxes[a][0] <= route[0][0] <= boxes[a][2]
        assert route[0][1] == pytest.approx(boxes[a][3])
        assert boxes[b][0] <= route[-1][0] <= boxes[b][2]
        assert route[-1][1] == pytest.approx(boxes[b][1])
        heights = [y for _, y in route]
        assert heights == sorted(heights)


@given(graphs())
def test_no_edge_runs_through_a_box(graph):
    sizes, edges = graph
    layout = layered(sizes, edges)
    for (a, b), route in zip(edges, layout.routes, strict=True):
        for (x0, y0), (x1, y1) in itertools.pairwise(route):
            if x0 != x1:
                continue  # between two rows, where no box is
            for i, ((x, y), (w, h)) in enumerate(zip(layout.places, sizes, strict=True)):
                if i not in (a, b):
                    through = abs(x - x0) < w / 2 and y0 < y + h / 2 - 1e-6 and y1 > y - h / 2 + 1e-6
                    assert not through


def test_crossings_are_counted():
    below = [[3, 4], [2], [], [], []]
    assert crossings([[0, 1], [2, 3, 4]], below) == 2
    assert crossings([[1, 0], [2, 3, 4]], below) == 0


def test_a_planar_graph_is_drawn_without_crossings():
    """A binary tree in random order."""
    shuffled = list(range(31))
    random.Random(3).shuffle(shuffled)
    depth = sorted(range(31), key=lambda i: (-int(np.log2(i + 1)), shuffled[i]))  # leaves first: edges lead down
    number = {node: k for k, node in enumerate(depth)}
    edges = [(number[i], number[(i - 1) // 2]) for i in range(1, 31)]
    above, below = [[] for _ in range(31)], [[] for _ in range(31)]
    for a, b in edges:
        below[a].append(b)
        above[b].append(a)
    assert crossings(ordered(rows_of(31, edges), above, below), below) == 0


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(1, 4)), min_size=1, max_size=7))
def test_pooling_is_optimal(pairs):
    """No move of one block of equal values to either side is better."""
    values, weights = zip(*pairs, strict=True)
    found = increasing(values, weights)
    assert found == sorted(found)

    def cost(z):
        return sum(w * (a - b) ** 2 for a, b, w in zip(z, values, weights, strict=True))

    for i, j in itertools.combinations(range(len(values) + 1), 2):
        for step in (-0.01, 0.01):
            moved = [z + step if i <= k < j else z for k, z in enumerate(found)]
            assert moved != sorted(moved) or cost(moved) >= cost(found) - 1e-9


def test_a_chain_is_straight_whatever_its_parameters():
    h = x = Tensor(np.ones((2, 3)))
    for _ in range(40):
        h = np.tanh(h @ Tensor(np.eye(3), requires_grad=True))
    _, nodes, _ = parsed(draw(h.sum()))
    results = [g for g in nodes.values() if "result" in g.get("class")]
    centres = [float(g.find(f"{SVG}rect").get("x")) + float(g.find(f"{SVG}rect").get("width")) / 2 for g in results]
    assert max(centres) - min(centres) < 30
    assert x.op is None


# ------------------------------------------------------------------------------------------------------------ picture
def test_what_each_step_uses_takes_no_points_in_each_row():
    edges = [(i, i + 1) for i in range(300)] + [(0, i) for i in range(2, 301)]
    found = layered([(40.0, 20.0)] * 301, edges)
    assert sum(map(len, found.routes)) < 40 * len(edges)
    assert found.width < 5_000


def test_what_is_on_the_nodes_and_edges():
    loss, _, b, drawing, _ = network()
    _, nodes, edges = parsed(drawing)
    by_name = {words(g)[0]: g for g in nodes.values()}
    assert list(by_name) == ["W", "b", "x", "t2 = matmul", "t3 = add", "t4 = relu", "y", "loss = mse_loss"]
    assert by_name["W"].get("class") == by_name["b"].get("class") == "node parameter"
    assert by_name["x"].get("class") == by_name["y"].get("class") == "node data"
    assert by_name["loss = mse_loss"].get("class") == "node result output"
    loss.backward()
    assert words(by_name["b"]) == ["b", "[0.5]", f"∇ [{b.grad.item():.4g}]"]
    shapes = {key: words(g)[0] for key, g in edges.items()}
    assert shapes == {"2-0": "5×3", "2-1": "3×1", "3-0": "5×1", "3-1": "1", "4-0": "5×1", "5-0": "5×1", "5-1": "5×1"}
    assert "W̄ = xᵀ t̅2̅" in by_name["t2 = matmul"].find(f"{SVG}title").text
    assert not drawing.svg.count('class="backward"')


def test_backward_and_update():
    loss, _, b, _, drawing = network()
    _, nodes, edges = parsed(drawing)
    loss.backward()
    sent = {key for key, g in edges.items() if any(p.get("class") == "backward" for p in g.iter(f"{SVG}path"))}
    assert sent == {"2-1", "3-0", "3-1", "4-0", "5-0"}  # not to x and y, which are data
    assert words(nodes["n1"])[-1] == f"→ [{(b.data - 0.1 * b.grad).item():.4g}]"
    assert [text for text in words(nodes["n0"]) if text.startswith("→")]
    assert not any(text.startswith("→") for text in words(nodes["n5"]))
    with pytest.raises(TypeError, match="lr is a number"):
        draw(loss, lr="0.1")


@pytest.mark.parametrize("maximize", [False, True])
def test_the_update_is_what_the_next_step_does(maximize):
    loss, W, b, _, _ = network()
    optimizer = optim.Adam([W, b], lr=0.25, maximize=maximize)
    for _ in range(2):
        shown = [words(parsed(draw(loss, optimizer=optimizer))[1][key])[-1] for key in ("n0", "n1")]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert shown == [f"→ {brief(W.data)}", f"→ {brief(b.data)}"]
        loss = mse_loss(relu(np.ones((5, 3)) @ W + b), np.zeros((5, 1)))


def test_the_update_of_an_optimizer_leaves_it_as_it_is():
    class Heavy:  # what the views need of an optimizer
        def __init__(self, *params):
            self.param_groups = [{"params": [p], "lr": 0.5 * (i + 1)} for i, p in enumerate(params)]
            self.state = {params[0]: {"moved": np.array([1.0])}}

        def settings(self, group):
            return {"lr": group["lr"]}

        def moved(self, w, g, state, *, lr):
            state["moved"] = state.get("moved", 0) * 10 + g
            g *= 0
            return w - lr * state["moved"]

    a, b, c = (Tensor([x], requires_grad=True) for x in (1.0, 2.0, 3.0))
    optimizer = Heavy(a, b)
    _, nodes, _ = parsed(draw((a * b * c).sum(), optimizer=optimizer))
    assert [words(nodes[f"n{i}"])[2:] for i in range(3)] == [["∇ [6]", "→ [-7]"], ["∇ [3]", "→ [-1]"], ["∇ [2]"]]
    assert optimizer.state[a]["moved"] == 1.0
    assert b not in optimizer.state
    with pytest.raises(TypeError, match="and not both"):
        draw(a * b, optimizer=optimizer, lr=0.1)
    with pytest.raises(TypeError, match="an optimizer is one of"):
        draw(a * b, optimizer=0.1)
    with pytest.raises(TypeError, match="LBFGS: a step moves all parameters together"):
        draw(a * b, optimizer=optim.LBFGS([a, b]))


def test_numbers_stand_in_the_box_and_params_too():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    _, nodes, _ = parsed(draw(((1.0001 * x) ** 3).sum(axis=1).sum()))
    heads = [words(g)[0] for g in nodes.values()]
    assert heads == ["x", "t1 = multiply(1.0001, ·)", "t2 = power(·, 3)", "t3 = sum(axis=1)", "t4 = sum"]


@given(programs())
def test_any_tape_is_drawn(program):
    output = program(*[Tensor(a, requires_grad=True) for a in program.leaves]).sum()
    _, nodes, _ = parsed(draw(output, backward=True, lr=0.5))
    assert {f"n{i}" for i in range(len(minigrad.tape(output)))} <= set(nodes)


def test_a_leaf_and_a_failure_are_drawn():
    _, nodes, edges = parsed(draw(Tensor([1.0, 2.0])))
    assert len(nodes) == 1
    assert not edges
    parsed(draw(Tensor([1.0, 2.0], requires_grad=True) * 2))  # no number to start a backward from


def unrolled(turns):
    W, h = Tensor(np.eye(2), requires_grad=True), Tensor(np.ones((1, 2)))
    for _ in range(turns):
        h = h @ W
        h = np.tanh(h)
    return (h * h).mean()


def test_folding_by_line():
    loss = unrolled(40)
    _, nodes, edges = parsed(draw(loss, fold="line"))
    heads = [words(g)[0] for g in nodes.values()]
    assert len(heads) == 2 + 80 + 1  # W, h, two lines a turn, and (h * h).mean() in one box
    assert heads[-1].endswith("= (h * h).mean()")
    assert words(nodes["n83"])[1].startswith("2 nodes, test_views_draw.py:")
    assert len(edges) == 40 + 1 + 80
    assert len(parsed(draw(loss, fold=False))[1]) == 84
    assert "→ " in "".join(words(parsed(draw(loss, fold="line", lr=0.1))[1]["n0"]))


def test_large_tapes_fold_by_themselves():
    big = unrolled(500)
    assert len(parsed(draw(big))[1]) < 5
    assert len(parsed(draw(unrolled(45)))[1]) == 2 + 92
    with pytest.raises(ValueError, match="fold is one of 'line', 'function', 'module', or False"):
        draw(big, fold="lines")


def test_folding_by_module():
    class Model:
        def __init__(self):
            self.layers = [
                (Tensor(np.eye(2), requires_grad=True), Tensor(np.ones(2), requires_grad=True)) for _ in "ab"
            ]

        def named_parameters(self):
            for i, (W, b) in enumerate(self.layers):
                yield f"{i}.weight", W
                yield f"{i}.bias", b

    model = Model()
    h = np.ones((3, 2))
    for W, b in model.layers:
        h = relu(h @ W + b)
    loss = (h * h).sum()
    _, nodes, _ = parsed(draw(loss, fold="module"))
    heads = [words(g)[0] for g in nodes.values()]
    assert [head.partition(" = ")[2] for head in heads] == ["model.0", "model.1", "(h * h).sum()"]
    assert "with model.0.weight, model.0.bias" in words(next(iter(nodes.values())))


def test_hostile_names_and_values_are_only_text(tmp_path):
    w = Tensor([1.0, 2.0], requires_grad=True)
    trace = Trace((w * np.array([np.nan, np.inf])).sum(), names={id(w): "</text><script>alert(1)</script>\x00\ud800"})
    drawing = picture(trace, True, lambda p: None, None)
    root, nodes, _ = parsed(drawing)
    assert not list(root.iter(f"{SVG}script"))
    assert words(nodes["n0"])[0] == "</text><script>alert(1)</script>\ufffd\ufffd"
    ET.parse(drawing.save(tmp_path / "hostile.svg"))


def test_sweeps_take_crossings_away(monkeypatch):
    def total():
        found = 0
        for seed in range(10):
            rng = random.Random(seed)
            edges = [(rng.randrange(b), b) for b in range(1, 30) for _ in range(2)]
            above, below = [[] for _ in range(30)], [[] for _ in range(30)]
            row = rows_of(30, edges)
            for a, b in edges:
                if row[b] == row[a] + 1:
                    below[a].append(b)
                    above[b].append(a)
            found += crossings(ordered(row, above, below), below)
        return found

    after = total()
    monkeypatch.setattr("minigrad.views.layout.SWEEPS", 0)
    assert after < 0.7 * total()


def test_save(tmp_path):
    _, _, _, drawing, _ = network()
    path = drawing.save(tmp_path / "g.svg")
    assert path == tmp_path / "g.svg"
    ET.parse(path)
    with pytest.raises(ValueError, match=r"saved as SVG, in a file like .*g\.svg"):
        drawing.save(tmp_path / "g.png")
    assert "drawing of 8 boxes" in repr(drawing)


def test_a_curve_ends_straight_so_that_its_tip_points_down():
    assert curve([(0, 0), (0, 5), (20, 50), (20, 50)], 0) == "M0.0 0.0V5.0V14.0C0.0 27.5 20.0 27.5 20.0 41.0V50.0"
    upwards = curve([(20, 50), (20, 50), (0, 5), (0, 0)], 0)
    assert upwards == "M20.0 50.0V41.0C20.0 27.5 0.0 27.5 0.0 14.0V5.0V0.0"
    assert Box("n0", "data", [("head", "x")], "").size == (56.0, 29.0)


# ---------------------------------------------------------------------------------------------------------- notebooks
def test_a_tensor_in_a_notebook():
    loss, W, _, _, _ = network()
    calls = []
    W.register_hook(calls.append)
    shown = loss._repr_html_()
    assert not calls  # to look at a tensor runs no backward
    assert W.grad is None
    assert "mse_loss(relu(x @ W + b), y)" in shown
    assert "<svg" in shown
    assert "∇" not in shown
    loss.backward()
    assert "gradient" in W._repr_html_()
    assert np.array2string(W.grad, separator=", ").splitlines()[0] in W._repr_html_()
    assert "<svg" not in W._repr_html_()
    assert loss._repr_svg_().startswith("<svg")
    assert W._repr_svg_() is None
    many = W
    for _ in range(2100):
        many = many * 1.0
    assert many._repr_svg_() is None  # too many to draw unasked
    assert "value" in many._repr_html_()


def test_renderers_that_are_no_browsers_have_the_colours():
    """librsvg draws for GNOME, ImageMagick and LaTeX; where it is installed its C interface needs no package."""
    libraries = [ctypes.util.find_library(name) for name in ("rsvg-2", "cairo")]
    if None in libraries:
        pytest.skip("librsvg is not installed")
    rsvg, cairo = map(ctypes.CDLL, libraries)
    for library, name in ((rsvg, "rsvg_handle_new_from_data"), (cairo, "cairo_create"),
                          (cairo, "cairo_image_surface_create"), (cairo, "cairo_image_surface_get_data")):  # fmt: skip
        getattr(library, name).restype = ctypes.c_void_p
    w = Tensor(np.ones(3), requires_grad=True)
    text = draw((w * 2.0).sum(), backward=True)._repr_svg_().encode()
    surface = ctypes.c_void_p(cairo.cairo_image_surface_create(0, 400, 400))
    handle = ctypes.c_void_p(rsvg.rsvg_handle_new_from_data(text, ctypes.c_size_t(len(text)), None))
    assert rsvg.rsvg_handle_render_cairo(handle, ctypes.c_void_p(cairo.cairo_create(surface)))
    pixels = ctypes.string_at(cairo.cairo_image_surface_get_data(surface), 400 * 400 * 4)
    colours = Counter(pixels[i : i + 3][::-1].hex() for i in range(0, len(pixels), 4) if pixels[i + 3] == 255)
    assert {"dafbe1", "f6f8fa"} <= {colour for colour, _ in colours.most_common(3)}
    assert "000000" not in colours
