"""The tape in TensorBoard's Graphs tab, read back with TensorBoard's own reader."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from programs import programs

from minigrad import Tensor, lab, relu
from minigrad.views.steps import Trace
from minigrad.views.tensorboard import graph_of


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder))
    reader.Reload()
    return reader.Graph()


def attributes(node):
    return {key: value.s.decode() for key, value in node.attr.items() if key != "_output_shapes"}


def test_the_lab_logs_its_tape(tmp_path):
    run = lab.train("synthetic", method="minibatch", epochs=1, logdir=tmp_path)
    nodes = {node.name: node for node in read(run.folder).node}
    assert set(nodes) > {"W", "b", "backward/W", "backward/b"}
    (loss,) = [node for node in nodes.values() if node.op == "mse_loss"]
    (linear,) = [node for node in nodes.values() if node.op == "linear"]
    assert list(linear.input) == ["W", "b"]
    assert list(loss.input) == [linear.name]
    assert list(nodes[f"backward/{loss.name}"].input) == [loss.name]
    assert [dim.size for dim in nodes["W"].attr["_output_shapes"].list.shape[0].dim] == list(run.weights.shape)
    assert {node.device for node in nodes.values()} == {"/forward", "/backward"}
    assert attributes(nodes["backward/W"])["formula"] == f"W̄ = xᵀ {'y̅h̅a̅t̅'}"
    assert re.fullmatch(r"descent\.py:\d+", attributes(linear)["line"])
    assert attributes(linear)["code"] == "linear(x, W, b)"
    assert list(nodes["backward/W"].input) == [f"backward/{linear.name}"]


def test_each_run_of_a_comparison_has_its_graph(tmp_path):
    comparison = lab.compare("synthetic", epochs=1, logdir=tmp_path)
    rows = {}
    for run in comparison:
        (linear,) = [node for node in read(run.folder).node if node.op == "linear"]
        rows[run.method] = linear.attr["_output_shapes"].list.shape[0].dim[0].size
    assert rows["sgd"] == 1
    assert rows["minibatch"] == 32
    assert rows["batch"] > 32


def test_another_engine_has_no_tape_to_show(tmp_path):
    run = lab.train("synthetic", epochs=1, engine="torch", logdir=tmp_path)
    with pytest.raises(ValueError, match="no graph"):
        read(run.folder)


def forward(x, W):
    return relu(x @ W)


def test_scopes():
    W = Tensor(np.eye(2), requires_grad=True)
    weird = Tensor(np.eye(2), requires_grad=True)
    trace = Trace((forward(np.ones((3, 2)), W) @ weird).sum(), names={id(W): "model.0.weight", id(weird): "a b<c>"})
    names = [node.name for node in graph_of(trace).node if node.device == "/forward"]
    assert names[:2] == ["model/0/weight", "a_b_c_"]
    assert [name for name in names if name.startswith("forward/")] == ["forward/matmul", "forward/relu"]
    alone = graph_of(Trace(forward(np.ones((3, 2)), W).sum()))
    assert [name for node in alone.node if (name := node.name).startswith("forward/")] == [
        "forward/matmul",
        "forward/relu",
    ]


@settings(max_examples=20)
@given(programs())
def test_any_tape_is_a_sound_graph(program):
    output = program(*[Tensor(a, requires_grad=True) for a in program.leaves]).sum()
    trace = Trace(output)
    graph = graph_of(trace)
    names = [node.name for node in graph.node]
    assert len(names) == len(set(names)) == len(trace.nodes) + len(trace.cotangents)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*", name)
        assert not any(other.startswith(f"{name}/") for other in names)
    seen = set()
    for node in graph.node:
        assert seen.issuperset(node.input)
        seen.add(node.name)
