"""Data-parallel descent is the descent: the same bits from any number of workers, and whatever becomes of them."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from minigrad import lab
from minigrad.lab import data, parallel
from minigrad.lab.descent import TapeEngine
from minigrad.lab.parallel import Crew, Parallel, Pool, Task, parts_of, work
from minigrad.lab.store import ready

SETTINGS = {"data": "synthetic", "rows": 400, "outputs": 2, "epochs": 3, "batch_size": 64}


def bits(run):
    return run.weights.tobytes() + run.bias.tobytes()


def train(**settings):
    return lab.train(**SETTINGS | settings)


@pytest.fixture(scope="module")
def serial():
    return train(backend="serial")


@pytest.mark.filterwarnings("ignore:.*nothing foretold it")
def test_a_step_of_parts_is_a_step():
    table = ready("diabetes")
    run = lab.train("diabetes", method="batch", epochs=4, backend="serial")
    plain = lab.train("diabetes", method="batch", epochs=4)
    np.testing.assert_allclose(run.weights, plain.weights, rtol=1e-12)
    clipped = [
        lab.train("diabetes", method="batch", epochs=2, clip_norm=1, **how) for how in ({}, {"backend": "serial"})
    ]
    np.testing.assert_allclose(clipped[0].weights, clipped[1].weights, rtol=1e-12)
    parts = parts_of(table)
    seen = [part.batch(7, step, 5)[1] for part in parts for step in range(5)]
    np.testing.assert_array_equal(np.sort(np.concatenate(seen), 0), np.sort(table.y_train, 0))  # each row once an epoch
    assert "12 parts, computed by this process: " in run.shared
    assert "4 exchanges" in run.shared


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("local_steps", [1, 3])
def test_threads_give_the_bits_of_one(serial, workers, local_steps):
    alone = serial if local_steps == 1 else train(backend="serial", local_steps=3)
    assert bits(train(backend="threads", workers=workers, local_steps=local_steps)) == bits(alone)
    assert (bits(alone) == bits(serial)) == (local_steps == 1)
    assert ("minibatch, 3 local steps" in repr(alone)) == (local_steps == 3)


def test_rows_that_are_sent_give_the_bits_of_those_in_a_file(monkeypatch):
    monkeypatch.setattr(data, "BLOCK", 100)
    monkeypatch.setattr(parallel, "BLOCK", 100)
    table = ready("synthetic", rows=400, stream=True)
    start = np.zeros((table.x_train.shape[1], 3)), np.zeros(3)
    for count in (1, 4):
        task = Task(*start, 5, 0, 1, count, 0.1, None, False)
        parts = parts_of(table)
        (here, _), (there, _) = (work(group, task) for group in (parts, [part.with_rows() for part in parts]))
        assert [(W.tobytes(), b.tobytes(), rows) for W, b, rows in here] == [
            (W.tobytes(), b.tobytes(), rows) for W, b, rows in there
        ]


def test_local_steps_average_what_the_parts_come_to():
    table = ready("synthetic", rows=400, outputs=2)
    parts = parts_of(table)
    settings = np.zeros((13, 2)), np.zeros(2), 0.1, 1.0
    together = Parallel(Crew(), parts, 2, *settings)
    ((x, y, bounds),) = together.stretches(table.x_train, table.y_train, 2, np.random.default_rng(0))
    together.steps(x, y, bounds)
    found = []
    for part in parts:
        alone = TapeEngine(*settings)
        for step in (0, 1):
            alone.step(*part.batch(together.key, step, 2))
        found.append(alone.W.data * (part.stop - part.start))
    np.testing.assert_allclose(together.W.data, sum(found) / 320, rtol=1e-12)
    assert together.exchanges == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": 0}, "workers must be at least 1"),
        ({"backend": "mpi"}, "there is no backend 'mpi'; take dask or processes"),
        ({"scheduler": "tcp://x:1", "workers": 2}, "scheduler has workers of its own, so leave out workers"),
        ({"backend": "serial", "engine": "compiled"}, "workers take the gradient from the tape: leave out engine"),
        ({"backend": "serial", "method": "sgd", "batch_size": None}, "sgd takes one row a step"),
        ({"backend": "serial", "local_steps": 0}, "local_steps must be at least 1"),
        ({"local_steps": 2, "method": "batch", "batch_size": None}, "local_steps is for minibatch, and not for batch"),
    ],
)
def test_what_cannot_be_shared(settings, message):
    with pytest.raises(lab.LabError, match=message):
        train(**settings)


def test_a_worker_of_another_version_is_named():
    with pytest.raises(lab.LabError, match=r"has minigrad .*, and here it is 0\.0\.0: install the same version"):
        work([], Task(np.zeros((1, 1)), np.zeros(1), 0, 0, 1, 1, 0.1, None, False, "0.0.0"))


def test_processes_give_the_bits_of_one_and_their_loss_is_a_sentence(serial, monkeypatch):
    ask, left = Pool.ask, [5]

    def killing(self, task):
        left[0] -= 1
        if not left[0]:
            os.kill(next(iter(self.pool._processes)), signal.SIGKILL)
        return ask(self, task)

    monkeypatch.setattr(Pool, "ask", killing)
    with pytest.raises(lab.LabError, match="a worker process was lost, and with it the run; backend='dask' starts"):
        train(backend="processes", workers=1)
    left[0] = 10**6
    assert bits(train(backend="processes", workers=2)) == bits(serial)


# ------------------------------------------------------------------------------------------------------------- Dask
@pytest.fixture
def cluster():
    """The module, where Dask is installed: `.ci/cluster` runs these tests."""
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed; .ci/cluster runs these tests")
    from minigrad.lab import cluster

    return cluster


dask = pytest.mark.filterwarnings("ignore")  # of Dask's own, at the loss of workers


@dask
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_dask_gives_the_bits_of_one(cluster, serial, workers):
    run = train(workers=workers)
    assert bits(run) == bits(serial)
    assert f"computed by {workers} Dask worker" in run.shared


@dask
@pytest.mark.parametrize("local_steps", [1, 2])
def test_a_worker_killed_in_mid_epoch_changes_no_bit(cluster, monkeypatch, local_steps):
    ask, left, killed = cluster.Cluster.ask, [4], []

    def killing(self, task):
        left[0] -= 1
        if not left[0]:
            assert 0 < task.first < task.steps  # in mid-epoch
            gather = self.client.gather

            def kill(futures):  # which are on their way
                self.client.gather = gather
                killed.append(next(iter(self.client.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)
                return gather(futures)

            self.client.gather = kill
        answers = ask(self, task)
        if killed and len(killed) == 1 and task.last >= task.steps:
            self.client.wait_for_workers(2, timeout=300)  # the nanny has started another one
            killed.append(set(self.client.run(os.getpid).values()))
        return answers

    monkeypatch.setattr(cluster.Cluster, "ask", killing)
    run = train(workers=2, local_steps=local_steps, batch_size=16)
    assert killed[0] not in killed[1]
    assert len(killed[1]) == 2
    monkeypatch.setattr(cluster.Cluster, "ask", ask)
    assert bits(run) == bits(train(backend="serial", local_steps=local_steps, batch_size=16))


@dask
def test_a_scheduler_elsewhere_that_sees_no_files_and_is_lost(cluster, serial, monkeypatch):
    address = "tcp://127.0.0.1:1"
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    with pytest.raises(lab.LabError, match=r"the scheduler at tcp://127\.0\.0\.1:1 cannot be reached, or was lost"):
        train(scheduler=address)
    monkeypatch.setattr(cluster, "TIMEOUT", 30)
    code = "import sys, asyncio, distributed\n"
    code += "async def main():\n async with distributed.Scheduler(port=0, dashboard_address=None) as s:\n"
    code += "  print(s.address, flush=True); await s.finished()\nasyncio.run(main())"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as scheduler:
        address = scheduler.stdout.readline().strip()
        worker = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            monkeypatch.setattr(cluster, "sees", lambda files: False)
            assert bits(train(scheduler=address)) == bits(serial)
            with monkeypatch.context() as other:
                other.setattr("minigrad.__version__", "0.0.1")
                with pytest.raises(
                    lab.LabError, match=r"the worker .* has minigrad .*, and here it is 0\.0\.1: install"
                ):
                    train(scheduler=address)
            ask = cluster.Cluster.ask

            def ending(self, task):
                if task.first == 2:
                    scheduler.kill()
                return ask(self, task)

            monkeypatch.setattr(cluster.Cluster, "ask", ending)
            with pytest.raises(lab.LabError, match=f"the scheduler at {address} cannot be reached, or was lost"):
                train(scheduler=address)
        finally:
            worker.kill()
            worker.wait()
            scheduler.kill()
