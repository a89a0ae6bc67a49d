# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. Three descents, and their noise
#
# After this lesson you will be able to
#
# - write batch, stochastic and mini-batch gradient descent as one loop, and compare them fairly;
# - say how large a step may be, how noisy a small batch is, and how far above the optimum it keeps a descent;
# - recognise five common mistakes, and have each of them caught.
#
# You need lesson 2. The data come with the package: the California census of 1990, 20,640 blocks of houses, 8 features,
# and the median value of a house in units of 100,000 dollars.

# %% [markdown]
# ## The data, split before anything is measured
#
# A fifth of the rows is put aside for the *test*. From the other rows we take mean and deviation of each feature,
# subtract the one, and divide by the other: the features are *standardised*. What is more than 5 deviations away is set
# to 5.

# %%
import math
from types import SimpleNamespace

import numpy as np

import minigrad
from minigrad import lab
from minigrad.lesson import answered, exercise, expect, same

data = lab.load("california")
rng = np.random.default_rng(4)
order = rng.permutation(len(data.features))
train, test = order[4128:], order[:4128]

mean, deviation = data.features[train].mean(0), data.features[train].std(0)  # of the training rows only
standard = ((data.features - mean) / deviation).clip(-5, 5)
x, y = standard[train], data.targets[train]
x_test, y_test = standard[test], data.targets[test]
n, p = x.shape

print(data)
print(n, "training rows; features:", ", ".join(data.feature_names))
assert (n, p, y.shape) == (16512, 8, (16512, 1))

# %% [markdown]
# The problem has an exact solution. It tells us where every descent should end. It also knows the curvature of the
# loss, the Hessian $H = \frac{2}{n} Z^\top Z$, where $Z$ is $X$ with a column of ones. Along an eigenvector with
# eigenvalue $\lambda$, a step of size $\eta$ multiplies the distance to the optimum by $1 - \eta\lambda$. So the
# descent converges as long as $\eta < 2 / \lambda_{\max}$.

# %%
exact = lab.LeastSquares(x, y)

print(f"the smallest possible loss is {exact.mse:.4f}")
print(f"eigenvalues from {exact.eigenvalues[0]:.3f} to {exact.eigenvalues[-1]:.3f}")
print(f"largest stable step: {exact.full_batch_bound:.3f}")
assert np.isclose(exact.full_batch_bound, 2 / exact.eigenvalues[-1])

# %% [markdown]
# ## One loop for all three
#
# The methods differ in one number, the rows per step: all of them (*batch*), one (*stochastic*, SGD), or a few
# (*mini-batch*). Everything else is lesson 1: record, sweep back, take a step. One pass over all rows is an *epoch*.


# %%
def mse(W, b, x, y):
    return ((x @ W + b - y) ** 2).mean().item()


def descend(lr, batch_size, epochs, start=None, seed=0):
    """Gradient descent. `lr` is a number, or a function of the number of the step.

    Returns the weights, the loss of each step's batch, and `seen` and `full`: samples seen, and the loss over all
    training rows, at 60 moments of the descent.
    """
    rng = np.random.default_rng(seed)
    W0, b0 = start or (np.zeros((p, 1)), np.zeros(1))
    W, b = minigrad.Tensor(W0.copy(), requires_grad=True), minigrad.Tensor(b0.copy(), requires_grad=True)
    steps = epochs * math.ceil(n / batch_size)
    seen, full, batch, samples = [0], [mse(W0, b0, x, y)], [], 0
    for _ in range(epochs):
        order = rng.permutation(n)
        xs, ys = x[order], y[order]
        for first in range(0, n, batch_size):
            rows = slice(first, first + batch_size)
            loss = minigrad.mse_loss(minigrad.linear(xs[rows], W, b), ys[rows])
            loss.backward()
            eta = lr(len(batch)) if callable(lr) else lr
            with minigrad.no_grad():
                W -= eta * W.grad
                b -= eta * b.grad
            W.zero_grad()
            b.zero_grad()
            batch.append(loss.item())
            samples += len(xs[rows])
            if len(batch) % max(1, steps // 60) == 0:
                seen.append(samples)
                full.append(mse(W.data, b.data, x, y))
    return SimpleNamespace(W=W.data, b=b.data, seen=np.array(seen), full=np.array(full), batch=np.array(batch))


runs = {
    "batch": descend(0.9 * exact.full_batch_bound, n, epochs=2),
    "mini-batch": descend(0.02, 32, epochs=2),
    "stochastic": descend(0.002, 1, epochs=2),
}
above = {}
for name, run in runs.items():
    late = run.full[run.seen > 0.75 * run.seen[-1]].mean()  # over the last quarter: a single value may be luck
    above[name] = 100 * (late / exact.mse - 1)
    print(f"{name:10} {len(run.batch):6} steps: {above[name]:5.1f} % above the optimum")
assert max(above["mini-batch"], above["stochastic"]) < 5 < above["batch"]

# %% [markdown]
# The comparison is fair because all three have *seen the same number of samples*, and because the loss is always that
# *over all training rows*. In two passes batch descent takes two steps. It needs many more passes, but they are cheap,
# as NumPy computes all rows at once; and in the end it comes closer, because nothing disturbs it:

# %%
patient = descend(0.9 * exact.full_batch_bound, n, epochs=100)

print(f"batch, after 100 passes: {100 * (patient.full[-1] / exact.mse - 1):.4f} % above the optimum")
assert patient.full[-1] < 1.001 * exact.mse
assert (np.diff(patient.full) < 0).all()  # it never goes up
assert (np.diff(runs["stochastic"].full) > 0).any()  # SGD does

# %%
try:
    import matplotlib.pyplot as plt
except ImportError:
    print("no picture: matplotlib is not installed, and nothing below needs it")
else:
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for name, run in runs.items():
        axes.plot(run.seen, run.full / exact.mse - 1, marker="." if name == "batch" else "", label=name)
    axes.set(xlabel="samples seen", ylabel="training loss above the optimum, in parts of it", yscale="log")
    axes.legend()

# %% [markdown]
# ## What the noise looks like
#
# The gradient of a batch is a mean over its rows. So it is right on average, and its deviation falls with the *square
# root* of the batch size: four times the rows, half the noise. Here at the optimum, where the gradient of the whole
# loss is zero (lengths are root mean squares):

# %%
Z = np.column_stack([x, np.ones(n)])
each_row = 2 * (x @ exact.weights + exact.bias - y) * Z  # the gradient of each row, lesson 2
noise = {}
for size in (1, 4, 16, 64, 256):
    picks = rng.integers(n, size=(400_000 // size, size))
    noise[size] = np.sqrt((each_row[picks].mean(1) ** 2).sum(1).mean())
    print(f"batches of {size:3}: the gradient has length {noise[size]:.2f}")
assert np.allclose(each_row.mean(0), 0, atol=1e-10)
assert 12 < noise[1] / noise[256] < 20  # sqrt(256) is 16

# %% [markdown]
# What does that do to a descent? Start SGD *at* the optimum. It does not stay: each step kicks it away, and the slope
# brings it back. It hovers at a height that is proportional to the step, about $\frac{\eta}{4}\, \mathbb E \|g\|^2$
# above the optimum ($g$ is the gradient of one row). Half the step, half the height, but twice as many steps to get
# there.

# %%
heights = {}
for lr in (0.004, 0.002):
    run = descend(lr, 1, epochs=1, start=(exact.weights, exact.bias))
    heights[lr] = run.full[20:].mean() / exact.mse - 1
    predicted = lr / 4 * noise[1] ** 2 / exact.mse
    print(f"lr {lr}: hovers {100 * heights[lr]:.2f} % above the optimum (predicted: about {100 * predicted:.1f} %)")
assert 1.5 < heights[0.004] / heights[0.002] < 3

# %% [markdown]
# ## Five mistakes, and what catches them
#
# **One: weights of shape (8,).** The predictions have shape $(n,)$, the targets $(n, 1)$, and their difference compares
# all pairs (lesson 4). The loss of the best weights becomes worse than that of predicting the mean. `mse_loss` refuses.

# %%
few = slice(0, 1000)
pairs = (x[few] @ exact.weights.ravel() + exact.bias) - y[few]
print(
    f"shape {pairs.shape}, loss {(pairs**2).mean():.2f} instead of {mse(exact.weights, exact.bias, x[few], y[few]):.2f}"
)
assert pairs.shape == (1000, 1000)
assert (pairs**2).mean() > y[few].var()
try:
    minigrad.mse_loss(x[few] @ minigrad.Tensor(exact.weights.ravel()), y[few])
except ValueError as error:
    print(f"caught: {error}")
else:
    raise AssertionError("nobody noticed")

# %% [markdown]
# **Two: raw features.** The population of a block is in the thousands, so the loss is steep in that direction: the
# largest stable step is 3e-7, and with 0.01 the loss explodes within a few steps. A loop should stop at the first loss
# that is not finite, as `lab.train` does, and `LeastSquares` knows the largest step beforehand.

# %%
raw = lab.LeastSquares(data.features[train], y)
W, losses = np.zeros((p, 1)), []
while len(losses) < 100 and np.isfinite(losses[-1:]).all():
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is noticed by the line above
        error = data.features[train] @ W - y
        losses.append((error**2).mean())
        W = W - 0.01 * 2 / n * data.features[train].T @ error
print(f"losses {', '.join(f'{loss:.1e}' for loss in losses[:5])}, ... not finite after {len(losses)} steps")
print(f"largest stable step on raw features: {raw.full_batch_bound:.1e}")
assert len(losses) < 100
assert raw.full_batch_bound < 1e-6

# %% [markdown]
# **Three: the loss of an epoch, put together wrongly.** A batch loss is a mean already. Divide the sum of the means by
# the number of *samples*, and the loss looks `batch_size` times smaller. Divide by `n // batch_size`, and one batch too
# few is counted. The mean of the means is nearly right: the last, short batch weighs as much as a full one. The right
# one is the mean weighted by the numbers of samples.

# %%
W, b = np.zeros((p, 1)), np.zeros(1)
batches = [slice(first, first + 100) for first in range(0, n, 100)]
losses = np.array([mse(W, b, x[rows], y[rows]) for rows in batches])
sizes = np.array([len(x[rows]) for rows in batches])
truth = mse(W, b, x, y)

print(f"{len(batches)} batches, the last one of {sizes[-1]} rows; the loss is {truth:.4f}")
print(f"sum / samples        {losses.sum() / n:.4f}")
print(f"sum / (n // 100)     {losses.sum() / (n // 100):.4f}")
print(f"mean of the means    {losses.mean():.4f}")
assert np.isclose(losses.sum() / n, truth / 100, rtol=0.01)
assert len(batches) == n // 100 + 1
assert not np.isclose(losses.mean(), truth, rtol=1e-5)

# %% [markdown]
# **Four: training loss while the weights move, test loss afterwards.** The mean over the batches of the first epoch
# belongs to no weights at all; most of it is from when they were bad. Beside a test loss taken at the end it suggests
# that the model does better on rows it has never seen. Evaluate both at the *same* weights.

# %%
first = descend(0.02, 32, epochs=1)
moving, train_loss, test_loss = first.batch.mean(), mse(first.W, first.b, x, y), mse(first.W, first.b, x_test, y_test)

print(f"while the weights move {moving:.3f}; at the end: training {train_loss:.3f}, test {test_loss:.3f}")
assert moving > 1.1 * train_loss
assert moving > test_loss

# %% [markdown]
# **Five: standardising first, splitting afterwards.** Then the test rows influence what the training sees. Here it is
# visible: one block has 1,243 people per household, and in this split it is a test row. It alone accounts for more than
# a third of the standard deviation of `AveOccup`. Split first; `lab.train` does.

# %%
leaky = data.features.std(0)
for j, name in enumerate(data.feature_names):
    print(f"{name:10} deviation with the test rows {leaky[j]:9.2f}, without {deviation[j]:9.2f}")
occupancy = data.feature_names.index("AveOccup")
assert deviation[occupancy] < 0.7 * leaky[occupancy]

# %% [markdown]
# Two more belong to the backward, the wrong divisor and `None` for the gradient of `y`; lesson 3 catches them.

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** Compute the right loss of an epoch, from the losses of its batches and their sizes (two arrays).


# %% exercise 1 tags=["raises-exception"]
def epoch_loss(losses, sizes):
    return ...


# %% check 1
@exercise(1)
def check_1():
    found = epoch_loss(losses.copy(), sizes.copy())
    expect(same(found, truth, rtol=1e-9), "each row should count as much as any other, those of the last batch, too")


# %% [markdown]
# **Exercise 2.** Compute the largest stable step of batch descent, for any features `x` of shape $(n, p)$ and a model
# with a bias.


# %% exercise 2 tags=["raises-exception"]
def largest_step(x):
    return ...


# %% check 2
@exercise(2)
def check_2():
    for table in (x, x[:100], rng.normal(size=(50, 4)) + 1):
        true = lab.LeastSquares(table, np.zeros((len(table), 1))).full_batch_bound
        expect(same(largest_step(table.copy()), true), f"for features {table.shape}; the bias is a weight, too")


# %% [markdown]
# **Exercise 3.** SGD with a constant step is either slow or noisy: after one pass it is more than 1 % above the
# optimum. Let the step shrink. Write `step(t)`, the step of SGD at step number `t` (there are $n$), with which one pass
# ends closer than that.


# %% exercise 3 tags=["raises-exception"]
def step(t):
    return ...


# %% check 3
@exercise(3)
def check_3():
    answered(step(0))
    with np.errstate(all="ignore"):  # too large a step shows as nan
        run = descend(step, 1, epochs=1)
        end = 100 * (mse(run.W, run.b, x, y) / exact.mse - 1)
    expect(end < 1, f"it ends {end:.2f} % above the optimum")
    return f"it ends {end:.2f} % above the optimum"


# %% [markdown]
# ## Read next
#
# - `minigrad/lab/descent.py`: the loop, once for all methods; `minigrad/lab/theory.py`: where the bounds and heights
#   come from.
# - On the command line, `minigrad compare` does all of this, with event files for TensorBoard if you like.
