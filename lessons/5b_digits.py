# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5b. A network that reads digits
#
# After this lesson you will be able to
#
# - turn scores into probabilities, and say how wrong they are: softmax and cross-entropy;
# - build a network with a hidden layer, train it, and judge it on images that it has never seen;
# - say what the hidden layer is good for, and why it must neither be linear nor start at zero.
#
# You need lessons 1 and 2. Lesson 5 helps: the loop is its mini-batch descent. The data are 1,797 handwritten digits
# that come with scikit-learn, each of them 8 by 8 points.

# %% [markdown]
# ## The data

# %%
import numpy as np
from sklearn.datasets import load_digits

import minigrad
from minigrad import nn, optim
from minigrad.lesson import exercise, expect, same

table = load_digits()
order = np.random.default_rng(0).permutation(len(table.data))
train, test = order[360:], order[:360]
images, labels = table.data[train] / 16, table.target[train]  # each entry from 0, white, to 1, black
test_images, test_labels = table.data[test] / 16, table.target[test]

for row in images[0].reshape(8, 8):
    print("".join(" .:oO#"[int(5 * entry)] * 2 for entry in row))
print(f"a {labels[0]}; {len(images)} images to learn from, {len(test_images)} for the test")
assert images.shape == (1437, 64)

# %% [markdown]
# ## From scores to a loss
#
# A model gives each image ten *scores*, one for each digit. The largest is its answer. To learn, we need a loss that
# says how wrong the scores are, and has a derivative.
#
# *Softmax* makes probabilities of the scores $s$: it takes $e^{s_k}$, which is positive, and divides by the sum, so
# that the ten add up to 1:
#
# $$p_k = \frac{e^{s_k}}{\sum_l e^{s_l}}.$$
#
# The *cross-entropy* is $-\log p_k$ for the right digit $k$: zero where the model is sure and right, and large where it
# is sure and wrong. The loss is its mean over the images.
#
# In the code the largest score of a row is subtracted first. This divides numerator and denominator by the same number,
# so nothing changes, and no exponential overflows.


# %%
def log_softmax(scores):
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(scores, labels):
    return -log_softmax(scores)[np.arange(len(labels)), labels].mean()


scores = np.array([[2.0, 0.0, 0.0]])
print("probabilities", np.exp(log_softmax(scores))[0].round(3))
first, last = cross_entropy(scores, [0]), cross_entropy(scores, [2])
print(f"loss if the first is right: {first:.3f}, if the last is: {last:.3f}")
assert np.allclose(np.exp(log_softmax(scores)).sum(axis=1), 1)
assert first < last

# %% [markdown]
# ## A linear model first
#
# The simplest model is that of lesson 2, with ten outputs: `x @ W + b`. It is the one to beat. `descend` is the loop of
# lesson 5. It takes any model, and any list of parameters.


# %%
def accuracy(scores, labels):
    return (np.asarray(scores).argmax(axis=1) == labels).mean()


def descend(model, start, lr=0.2, epochs=25, seed=0):
    """Mini-batch descent on copies of the arrays in `start`; the parameters it ends with, and the last loss."""
    rng = np.random.default_rng(seed)
    parameters = [minigrad.Tensor(array.copy(), requires_grad=True) for array in start]
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(images)), 45):
            loss = cross_entropy(model(images[rows], *parameters), labels[rows])
            loss.backward()
            with minigrad.no_grad():
                for parameter in parameters:
                    parameter -= lr * parameter.grad
                    parameter.zero_grad()
    return [parameter.numpy() for parameter in parameters], loss.item()


def linear(x, W, b):
    return x @ W + b


found, _ = descend(linear, [np.zeros((64, 10)), np.zeros(10)])
linear_right = accuracy(linear(test_images, *found), test_labels)
print(f"linear model: {linear_right:.1%} of the test images")
assert linear_right > 0.9

# %% [markdown]
# ## A hidden layer
#
# A *layer* is a linear map with a bend behind it, its *activation function*. Ours is `relu`, which keeps what is
# positive and puts 0 for the rest. The values behind the bend are the *hidden units*. Each of them answers to some
# pattern of ink. A second linear map makes the ten scores of them.
#
# $$h = \max(x W_1 + b_1,\; 0), \qquad s = h W_2 + b_2.$$
#
# Nothing else is new. The tape records these lines like any other, and the chain rule goes back through both layers.


# %%
def network(x, W1, b1, W2, b2):
    h = np.maximum(x @ W1 + b1, 0)
    return h @ W2 + b2


def random_start(hidden, seed=0):
    rng = np.random.default_rng(seed)
    W1 = rng.normal(size=(64, hidden)) * np.sqrt(2 / 64)
    W2 = rng.normal(size=(hidden, 10)) * np.sqrt(2 / hidden)
    return [W1, np.zeros(hidden), W2, np.zeros(10)]


found, loss = descend(network, random_start(64))
scores = network(test_images, *found)
network_right = accuracy(scores, test_labels)
print(
    f"network: {accuracy(network(images, *found), labels):.1%} of the training images, {network_right:.1%} of the test"
)
assert network_right > linear_right
assert network_right > 0.96

# %% [markdown]
# The number that counts is that of the test. On images that it has learned from, the network is nearly perfect, and
# that says little. Here is what it takes for something else:

# %%
wrong = np.flatnonzero(scores.argmax(axis=1) != test_labels)
for i in wrong:
    p = np.exp(log_softmax(scores[i : i + 1]))[0]
    answer, truth = p.argmax(), test_labels[i]
    print(f"a {truth} taken for a {answer}: it gave the {answer} {p[answer]:.0%} and the {truth} {p[truth]:.0%}")
try:
    import matplotlib.pyplot as plt
except ImportError:
    print("no picture: matplotlib is not installed, and nothing below needs it")
else:
    figure, axes = plt.subplots(1, len(wrong), figsize=(9, 1.4), layout="constrained")
    for place, i in enumerate(wrong):
        axes[place].imshow(test_images[i].reshape(8, 8), cmap="Greys")
        axes[place].set(title=f"{scores[i].argmax()}, no: {test_labels[i]}", xticks=[], yticks=[])
assert len(wrong) == round((1 - network_right) * len(test_labels))

# %% [markdown]
# ## Why it needs the bend
#
# Without `relu` the hidden layer would be for nothing. Two linear maps in a row are one:
# $(x W_1) W_2 = x (W_1 W_2)$. However many layers there are, the model stays the linear one.

# %%
W1, b1, W2, b2 = random_start(64, seed=1)
two = (images @ W1 + b1) @ W2 + b2
one = images @ (W1 @ W2) + (b1 @ W2 + b2)
assert np.allclose(two, one)
print("two linear layers are one")

# %% [markdown]
# ## Why it must not start at zero
#
# The linear model started at zero. The network cannot. If all weights are zero, then all hidden units are zero, and the
# cotangent of each of them is zero as well: no gradient reaches the weights, and nothing moves but the last bias.
#
# Equal weights are not much better. All hidden units then compute the same, get the same gradient, and stay equal for
# ever: sixty-four units that are one. Random numbers make them different.

# %%
zero = [np.zeros_like(array) for array in random_start(64)]
equal = [np.full_like(array, 0.1) for array in random_start(64)]
for name, start in (("zero", zero), ("equal", equal), ("random", random_start(64))):
    ended, _ = descend(network, start, epochs=3)
    columns = len(np.unique(ended[0].round(12), axis=1).T)
    right = accuracy(network(test_images, *ended), test_labels)
    print(f"start {name:6}: {columns:2} different hidden units, {right:.1%} of the test images")
    assert columns == (64 if name == "random" else 1)
    assert (right > 0.8) == (name == "random")

# %% [markdown]
# ## The same with `minigrad.nn`
#
# Layers, losses and optimizers are there ready made, with the names that they have in PyTorch. Adam gives each
# parameter a step size of its own.

# %%
rng = np.random.default_rng(0)
model = nn.Sequential(nn.Linear(64, 64, rng=rng), nn.ReLU(), nn.Linear(64, 10, rng=rng))
optimizer = optim.Adam(model.parameters(), lr=0.01)
for _ in range(10):
    for rows in np.array_split(rng.permutation(len(images)), 45):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(images[rows]), labels[rows]).backward()
        optimizer.step()

with minigrad.no_grad():
    right = accuracy(model(test_images).numpy(), test_labels)
print(model)
print(f"{sum(p.size for p in model.parameters()):,} parameters, {right:.1%} of the test images")
assert right > 0.95

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** A network that knows nothing gives all ten digits the same score. What is its loss? A first loss that
# is far from this number tells of a mistake before the first step. Give the number, or a line of code that computes it.

# %% exercise 1 tags=["raises-exception"]
first_loss = ...


# %% check 1
@exercise(1)
def check_1():
    knows_nothing = cross_entropy(np.zeros((len(labels), 10)), labels)
    expect(same(first_loss, knows_nothing, rtol=2e-3), "what is the probability of the right digit, and its -log?")


# %% [markdown]
# **Exercise 2.** The gradient of the cross-entropy is short. With $t$ for the row that is 1 at the right digit and 0
# elsewhere, the derivative of $-\log p_k$ with respect to the scores is $p - t$. Derive it. Then write the gradient of
# the *mean* over all rows, in NumPy, for `scores` of shape $(n, c)$.


# %% exercise 2 tags=["raises-exception"]
def cross_entropy_gradient(scores, labels):
    return ...


# %% check 2
@exercise(2)
def check_2():
    for n, c in ((5, 3), (1, 4), (7, 10)):
        s = minigrad.Tensor(3 * rng.normal(size=(n, c)), requires_grad=True)
        k = rng.integers(c, size=n)
        cross_entropy(s, k).backward()
        found = cross_entropy_gradient(s.numpy().copy(), k.copy())
        hint = (
            f"for {n} rows and {c} classes: it has the shape of the scores, each row adds up to 0, and mean means 1/n"
        )
        expect(same(found, s.grad), hint)


# %% [markdown]
# **Exercise 3.** Now the backward of the whole network, by hand. `g` is the cotangent of the scores, of shape
# $(n, 10)$. Return the gradients of `W1`, `b1`, `W2` and `b2`. The rule of `relu` is: hand the cotangent on where the
# input was positive, and 0 elsewhere.


# %% exercise 3 tags=["raises-exception"]
def network_backward(g, x, W1, b1, W2, b2):
    return ...


# %% check 3
@exercise(3)
def check_3():
    x, g = rng.normal(size=(5, 64)), rng.normal(size=(5, 10))
    arrays = [rng.normal(size=array.shape) for array in random_start(7)]
    parameters = [minigrad.Tensor(array, requires_grad=True) for array in arrays]
    network(x, *parameters).backward(g)
    found = network_backward(g.copy(), x.copy(), *(array.copy() for array in arrays))
    hint = "go back line by line: from the scores to W2, b2 and h, through relu, then to W1 and b1, as in lesson 2"
    expect(same(found, tuple(p.grad for p in parameters)), hint)


# %% [markdown]
# ## Read next
#
# - `minigrad/nn/layers.py`: layers are plain users of the tape. Find `Linear` and `ReLU`; `Conv2d` is there, too.
# - `minigrad/ops/loss.py`: `cross_entropy` as one operation. Its rule is the formula of exercise 2.
# - `python examples/digits.py conv` trains a convolutional network on the same digits.
