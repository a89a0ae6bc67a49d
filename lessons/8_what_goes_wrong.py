# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8. What goes wrong in training
#
# After this lesson you will be able to
#
# - look at a gradient on its way through a network, with hooks;
# - recognise vanishing gradients, dead units, an exploding loss, wrong normalisation and gradients that add up;
# - find the line that is to blame, with `strict`, `check` and the explorer.
#
# You need lessons 3 and 5b. A program with such a mistake runs, and prints a loss. It only learns badly, or not at all.
# So each section makes the mistake, looks at it, and mends it. The data are the digits of lesson 5b.

# %%
import warnings

import numpy as np
from sklearn.datasets import load_digits

import minigrad
from minigrad import Tensor, nn, optim
from minigrad.lesson import answered, exercise, expect, same

table = load_digits()
order = np.random.default_rng(0).permutation(len(table.data))
images, labels = table.data[order] / 16, table.target[order]
test_images, test_labels = images[:360], labels[:360]
images, labels = images[360:], labels[360:]


def length(array):
    """The root mean square of the entries."""
    return np.sqrt((np.asarray(array) ** 2).mean())


# %% [markdown]
# ## Gradients that vanish
#
# Ten layers, one behind the other. The cotangent goes through all of them, and each multiplies it: by its weights, and
# by the derivative of its bend. If each makes it four times smaller, a millionth arrives at the first layer.
#
# A *hook* lets us watch. `h.register_hook(f)` calls `f(g)` with the cotangent of `h` as soon as it is complete, in the
# middle of the sweep. Here it notes how long the cotangent is, layer by layer:


# %%
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


def cotangents(bend, size, layers=10, skip=False):
    """The length of the cotangent of each layer, the first one first."""
    rng = np.random.default_rng(0)
    found = []
    h = images[:100]
    for _ in range(layers):
        W = Tensor(rng.normal(size=(64, 64)) * size, requires_grad=True)
        new = bend(h @ W)
        h = h + new if skip else new
        h.register_hook(lambda g: found.append(length(g)))
    scores = h @ (rng.normal(size=(64, 10)) / 8)
    nn.CrossEntropyLoss()(scores, labels[:100]).backward()
    return found[::-1]


for name, bend, size in (("sigmoid", sigmoid, 1 / 8), ("tanh", np.tanh, 1 / 8), ("relu", relu, np.sqrt(2) / 8)):
    found = cotangents(bend, size)
    print(f"{name:8}", " ".join(f"{g:.0e}" for g in found))
    assert (found[0] < 1e-4 * found[-1]) == (name == "sigmoid")

# %% [markdown]
# The derivative of the sigmoid is $y (1 - y)$, at most $1/4$. Ten of them are at most $4^{-10}$, about a millionth. The
# derivative of tanh is 1 at 0, and that of relu is 1 wherever it lets something through.
#
# The weights matter as much. Let a layer have $n$ inputs. A sum of $n$ independent terms is $\sqrt n$ times as long as
# one of them. So weights of size $1/\sqrt n$ keep the length, here $1/8$. Half of that, and it vanishes again; twice
# that, and it explodes:

# %%
for factor in (0.5, 1, 2):
    found = cotangents(relu, factor * np.sqrt(2) / 8)
    print(f"weights times {factor:3}: the first layer gets {found[0] / found[-1]:8.1e} of what the last one gets")
    assert 0.1 * factor**9 < found[0] / found[-1] < 10 * factor**9

found = cotangents(sigmoid, 1 / 8, skip=True)
print(f"sigmoid, and h + f(h) in place of f(h): {found[0] / found[-1]:.1e}")
assert found[0] > 0.5 * found[-1]

# %% [markdown]
# The last line is the remedy of deep networks, the GPT of lesson 7 among them. With `h + f(h)` the derivative is
# $1 + f'$, so there is always a way on which nothing gets lost.

# %% [markdown]
# ## Units that are dead
#
# A relu hands on a cotangent where its input is positive. If the input of a unit is negative for *every* image, the
# unit gets none. So its weights never change, and it stays like this: it is dead. A few steps that are much too long
# are enough.


# %%
def network(seed=0):
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(64, 64, rng=rng), nn.ReLU(), nn.Linear(64, 10, rng=rng))


def train(model, lr, epochs=5, seed=0, forget=False):
    """SGD with batches of 32; the losses of all steps."""
    rng = np.random.default_rng(seed)
    optimizer = optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(images)), 45):
            if not forget:
                optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def right(model):
    with minigrad.no_grad():
        return (model(test_images).numpy().argmax(axis=1) == test_labels).mean()


for lr in (0.2, 20.0):
    model = network()
    train(model, lr)
    with minigrad.no_grad():
        h = model[1](model[0](images)).numpy()
    dead = (h == 0).all(axis=0)
    nn.CrossEntropyLoss()(model(images), labels).backward()
    print(f"lr {lr:4}: {dead.sum():2} of 64 units are dead, {right(model):.1%} of the test images are right")
    assert (model[0].weight.grad[dead] == 0).all()  # no gradient at all, to the last bit
    assert (dead.mean() > 0.9) == (lr == 20)

# %% [markdown]
# Remedies: a smaller step, a smaller step in the beginning, or a bend that is never quite flat, such as `nn.LeakyReLU`
# or `nn.GELU`.

# %% [markdown]
# ## A loss that explodes
#
# Somewhere a number overflows and becomes `inf`. A few operations later it is `nan`, and from there on everything is.
# The place where we notice is not the place where it happened. The softmax below is written without the subtraction of
# lesson 5b:


# %%
def careless_loss(scores, labels):
    powers = np.exp(scores)
    p = powers / powers.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(labels)), labels]).mean()


scores = Tensor(np.array([[800.0, 0.0], [1.0, 2.0]]), requires_grad=True)
with np.errstate(all="ignore"):
    loss = careless_loss(scores, [0, 1])
    loss.backward()
print("loss", loss.item(), "gradient", scores.grad.tolist())
assert np.isnan(loss.item())

# %% [markdown]
# Under `strict` the first number that is not finite raises, in the forward as in the backward. The message names the
# operation and its line:

# %%
try:
    with minigrad.strict(), np.errstate(all="ignore"):
        careless_loss(scores, [0, 1])
except FloatingPointError as error:
    print(error)
    message = str(error)
else:
    raise AssertionError("nobody noticed")
assert message.startswith("exp ")

# %% [markdown]
# `strict` costs time, so turn it on for the step that fails. If no line is to blame, the step is too long (lesson 5 has
# the bound), or single batches have a gradient that is much longer than the others. Then it helps to shorten those:
# exercise 3.

# %% [markdown]
# ## Normalisation that is not what it was
#
# *Batch norm* brings each unit to mean 0 and deviation 1, over the batch. That helps training. But a prediction must
# not depend on which other images are asked about at the same time. So the layer keeps running means, for use after
# training. `model.eval()` switches to them. Who forgets that notices nothing, as long as the batches are mixed like
# those of training. Now ask for the images of one digit at a time:

# %%
rng = np.random.default_rng(0)
model = nn.Sequential(nn.Linear(64, 64, rng=rng), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10, rng=rng))
train(model, 0.2)


def right_by_digit():
    with minigrad.no_grad():
        found = [model(test_images[test_labels == k]).numpy().argmax(axis=1) == k for k in range(10)]
    return np.concatenate(found).mean()


model.train()
mixed, forgotten = right(model), right_by_digit()
model.eval()
print(f"without model.eval(): {mixed:.1%} are right if the digits are mixed, {forgotten:.1%} digit by digit")
print(
    f"with model.eval():    {right(model):.1%} are right if the digits are mixed, {right_by_digit():.1%} digit by digit"
)
assert forgotten < 0.6
assert min(mixed, right(model), right_by_digit()) > 0.9

# %% [markdown]
# The other classic is to prepare the test images in another way than those of training. This model learns from images
# of mean 0 and deviation 1 in each point, which is a good idea. Whoever uses it has to subtract and divide by *the
# same* numbers. Otherwise it meets images of a kind that it has never seen:

# %%
mean, deviation = images.mean(axis=0), images.std(axis=0) + 0.01


def standard(pixels):
    return (pixels - mean) / deviation


model = network()
optimizer = optim.Adam(model.parameters(), lr=0.01)
for _ in range(60):
    optimizer.zero_grad()
    nn.CrossEntropyLoss()(model(standard(images[:500])), labels[:500]).backward()
    optimizer.step()

with minigrad.no_grad():
    same_way = (model(standard(test_images)).numpy().argmax(axis=1) == test_labels).mean()
    other_way = (model(test_images).numpy().argmax(axis=1) == test_labels).mean()
print(f"{same_way:.1%} are right if they are prepared as in training, and {other_way:.1%} if not")
assert other_way < 0.9 < same_way

# %% [markdown]
# ## Gradients that add up
#
# `backward` *adds* to `grad`. That is what a value that is used twice needs, and it is the same from one call to the
# next. Without `zero_grad` each step follows the sum of all gradients so far:

# %%
model = network()
losses = [nn.CrossEntropyLoss()(model(images[:100]), labels[:100]) for _ in range(2)]
losses[0].backward()
once = model[0].weight.grad.copy()
losses[1].backward()
assert np.allclose(model[0].weight.grad, 2 * once)

for forget in (False, True):
    model = network()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        losses = train(model, 0.2, forget=forget)
    every = " ".join(f"{loss:.1f}" for loss in losses[::15])
    print(f"{'without' if forget else 'with'} zero_grad: {right(model):.1%} are right; every 15th loss: {every}")
    assert len(said) == forget
print("the optimizer:", said[0].message)
assert right(model) < 0.9

# %% [markdown]
# The optimizer has noticed, and says so once.

# %% [markdown]
# ## A backward that is wrong
#
# The last suspect is a rule. This tanh has a backward that puts the input where the output belongs:


# %%
class Tanh(minigrad.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.tanh(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (1 - x * x)


x, W = Tensor(images[:3, 20:24]), Tensor(np.random.default_rng(0).normal(size=(4, 2)), requires_grad=True)
loss = (Tanh.apply(x @ W) ** 2).sum()
minigrad.explore(loss)

# %% [markdown]
# The explorer steps through the sweep. Beside each gradient it shows the numerical one: step to `Tanh`, and compare.
# Outside of a notebook, `minigrad.explore(loss).save("page.html")` writes it to a file. The checker says in words what
# is wrong:

# %%
report = minigrad.check(Tanh, signature="()->()")
print(report.faults[0].text)
assert not report

# %% [markdown]
# ## What to look at first
#
# | what you see | look at | what helps |
# |---|---|---|
# | the loss hardly moves | the gradient of each layer, with hooks | other weights at the start, `h + f(h)` |
# | the loss stops early | how many units are zero for all rows | a shorter step, another bend |
# | `nan` | the first line that makes it, with `strict` | the stable form, a shorter step, clipping |
# | good in training, bad in use | what is done to the data, and `model.eval()` | the same preparation for both |
# | the loss rises and swings | whether `zero_grad` is called | call it |
# | less is learned than could be | `check`, and the explorer | the right rule |

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** A relu lets half of the numbers through. How large should the weights of a layer with `n` inputs be,
# so that lengths stay the same from layer to layer? Write `spread(n)`, their standard deviation.


# %% exercise 1 tags=["raises-exception"]
def spread(n):
    return ...


# %% check 1
@exercise(1)
def check_1():
    for n in (64, 400):
        size = answered(spread(n))
        expect(np.shape(size) == () and np.isrealobj(size) and size > 0, "a single positive number")
        h = rng.normal(size=(50, n))
        lengths = [length(h)]
        for _ in range(20):
            h = relu(h @ (rng.normal(size=(n, n)) * size))
            lengths.append(length(h))
        expect(0.2 < lengths[-1] / lengths[0] < 5, f"{n} wide, 20 layers: the length goes to {lengths[-1]:.1e}")


# %% [markdown]
# **Exercise 2.** Write `count_dead(h)`: how many of the units are dead. `h` has shape $(n, units)$, and holds what relu
# made of $n$ images.


# %% exercise 2 tags=["raises-exception"]
def count_dead(h):
    return ...


# %% check 2
@exercise(2)
def check_2():
    for units, dead in ((3, 1), (8, 5)):
        h = np.abs(rng.normal(size=(6, units)))
        h[0, :] = 0  # an image that moves nothing
        h[1:, 0] = [0, 0, 0, 0, 1e-9]  # a unit that hardly ever fires
        h[:, 1 : 1 + dead] = 0
        expect(same(count_dead(h.copy()), dead), "dead is a unit, for all the images")


# %% [markdown]
# **Exercise 3.** *Clipping.* Write `clip(gradients, most)`. Together, all entries of all arrays in the list
# `gradients` are one long vector. If its length $\sqrt{\sum g^2}$ is above `most`, return arrays that are scaled by one
# factor, so that it is `most`. Otherwise return them as they are.


# %% exercise 3 tags=["raises-exception"]
def clip(gradients, most):
    return ...


# %% check 3
@exercise(3)
def check_3():
    gradients = [rng.normal(size=(3, 2)), rng.normal(size=4)]
    whole = np.sqrt(sum((g**2).sum() for g in gradients))
    for most, hint in ((2 * whole, "what is short enough stays as it is"), (whole / 10, "one factor for all of them")):
        true = tuple(g * min(1, most / whole) for g in gradients)
        expect(same(clip([g.copy() for g in gradients], most), true), hint)


# %% [markdown]
# ## Read next
#
# - `minigrad/strict.py`: what else the careful mode notices, such as a write into an array that the tape remembers.
# - `minigrad/engine/hooks.py`: what a hook may do; it may also replace the cotangent.
# - `minigrad/nn/utils.py`: the clipping of exercise 3, as PyTorch calls it.
