# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Undoing broadcasting
#
# After this lesson you will be able to
#
# - say which axes of a gradient must be summed, from two shapes alone;
# - write the function that does it, and check it against its definition;
# - recognise the accident that turns $n$ differences into $n^2$, and have it caught.
#
# You need lessons 1 and 2, and NumPy's rules of broadcasting.

# %% [markdown]
# ## Broadcasting is using a value many times
#
# In `X @ W + b` the product has shape $(n, q)$ and the bias $(q,)$. NumPy reads each entry of `b` once per row, $n$
# times in all. Lesson 1 said what to do with a value that is used $n$ times: add up the $n$ cotangents. So the sum over
# the rows in $\bar b = \mathbf 1^\top \bar{\hat Y}$ is not a property of regression. It belongs to the `+`, and to
# every operation that broadcasts.

# %%
import numpy as np

import minigrad
from minigrad.lesson import answered, exercise, expect, same

rng = np.random.default_rng(0)
n, q = 5, 2
product, b = rng.normal(size=(n, q)), minigrad.Tensor(rng.normal(size=q), requires_grad=True)
g = rng.normal(size=(n, q))  # any cotangent of the sum

(product + b).backward(g)

print(f"a cotangent of shape {g.shape} became a gradient of shape {b.grad.shape}")
assert np.allclose(b.grad, g.sum(axis=0))

# %% [markdown]
# ## Copying and adding are transposes of each other
#
# Why exactly a sum? Broadcasting copies, and copying is a linear map: the large array, written as a column, is a matrix
# $C$ of zeros and ones times the small one. Each row of $C$ has a single 1, at the entry that is copied there. If
# $y = C a$, the chain rule says $\bar a = C^\top \bar y$; and row $j$ of $C^\top$ has its ones at all the copies of
# $a_j$. It adds them up.


# %%
def copying(shape, large):
    """The matrix C that broadcasts an array of `shape` to the shape `large`, both written as columns."""
    size = int(np.prod(shape))
    copied = np.broadcast_to(np.arange(size).reshape(shape), large)  # which entry stands where
    return (copied.reshape(-1, 1) == np.arange(size)).astype(float)


C = copying((2,), (3, 2))
print(C)
a, g = rng.normal(size=2), rng.normal(size=(3, 2))
assert np.array_equal(C @ a, np.broadcast_to(a, (3, 2)).ravel())
assert np.allclose(C.T @ g.ravel(), g.sum(axis=0))

# %% [markdown]
# ## The function
#
# NumPy broadcasts in two ways. It puts *new axes in front* until both shapes have the same length, and it *stretches
# axes of length 1*. To undo it: sum the new axes away; sum the stretched axes, and keep them with length 1.


# %%
def unbroadcast(g, shape):
    new = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(new)))
    stretched = tuple(i for i, length in enumerate(shape) if length == 1 and g.shape[i] != 1)
    return g.sum(axis=stretched, keepdims=True)


for shape, large in [((2,), (3, 2)), ((3, 1), (3, 2)), ((), (3, 2)), ((1, 4, 1), (2, 4, 5)), ((4, 1), (2, 4, 5))]:
    g = rng.normal(size=large)
    found = unbroadcast(g, shape)
    print(f"{large!s:10} -> {shape}")
    assert found.shape == shape
    assert np.allclose(found.ravel(), copying(shape, large).T @ g.ravel())
    assert np.allclose(found, minigrad.unbroadcast(g, shape))

# %% [markdown]
# minigrad calls its `unbroadcast` in one place, on the way from an operation to its inputs. So no rule in the table of
# operations has to mention broadcasting: `add` may say `d_b = g`.

# %% [markdown]
# ## In a backward of your own, the sum is up to you
#
# A `Function` (lesson 3) is not repaired. A gradient of another shape than its input is an error:


# %%
class AddBias(minigrad.Function):
    @staticmethod
    def forward(ctx, x, b):
        return x + b

    @staticmethod
    def backward(ctx, grad):
        return grad, grad  # forgets to sum


x, b = minigrad.Tensor(np.ones((5, 2)), requires_grad=True), minigrad.Tensor(np.ones(2), requires_grad=True)
try:
    AddBias.apply(x, b).sum().backward()
except RuntimeError as error:
    print(error)
else:
    raise AssertionError("nobody noticed")

# %% [markdown]
# A gradient that has the right shape and a wrong value is worse. `grad.mean(0)` for a bias is right for a single row,
# and too small by the factor $n$ otherwise. No error stops it; a check with several rows does.

# %% [markdown]
# ## The accident
#
# Predictions of shape $(n,)$ and targets of shape $(n, 1)$ are the same numbers to us. To NumPy, their difference is a
# table of *all pairs*, of shape $(n, n)$. No error is raised, the loss is a number, and it goes down:

# %%
n = 200
x = rng.normal(size=(n, 3))
y = x @ [[2.0], [-1.0], [0.5]] + 0.1 * rng.normal(size=(n, 1))  # (n, 1)


def descend(shape):
    """A hundred steps for weights of this shape; the weights, and the shape of the differences."""
    w = minigrad.Tensor(np.zeros(shape), requires_grad=True)
    for _ in range(100):
        error = x @ w - y
        (error**2).mean().backward()
        with minigrad.no_grad():
            w -= 0.1 * w.grad
        w.zero_grad()
    return w.numpy().ravel(), error.shape


right, right_shape = descend((3, 1))
wrong, wrong_shape = descend((3,))

print(f"weights (3, 1): differences {right_shape}, weights {right.round(2)}")
print(f"weights (3,):   differences {wrong_shape}, weights {wrong.round(2)}")
assert wrong_shape == (n, n)
assert np.allclose(right, [2, -1, 0.5], atol=0.05)
assert np.allclose(wrong, 0, atol=0.2)

# %% [markdown]
# What does it learn? With $\mu$ the mean of the targets and $\sigma^2$ their variance,
#
# $$\frac{1}{n^2} \sum_{i,j} (\hat y_i - y_j)^2 = \frac{1}{n} \sum_i (\hat y_i - \mu)^2 + \sigma^2.$$

# %%
guess = x @ wrong
assert np.isclose(((guess - y) ** 2).mean(), ((guess - y.mean()) ** 2).mean() + y.var())
print(f"the loss {((guess - y) ** 2).mean():.3f} is hardly above the variance of the targets, {y.var():.3f}")

# %% [markdown]
# So the best that can be done is to predict $\mu$ for every row: the features are ignored. On a curve the accident can
# be recognised, as the loss never falls below the variance of the targets.
#
# minigrad's losses refuse such a pair of shapes, and in the careful mode `strict` so does every operation:

# %%
w = minigrad.Tensor(np.zeros(3), requires_grad=True)
messages = []
try:
    minigrad.mse_loss(x @ w, y)
except ValueError as error:
    messages.append(str(error))
try:
    with minigrad.strict():
        x @ w - y
except ValueError as error:
    messages.append(str(error))

for message in messages:
    print(f"- {message}")
assert len(messages) == 2
assert all("(200,)" in message and "(200, 1)" in message for message in messages)

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** `A` has shape $(4, 1, 3)$ and `B` has shape $(2, 1)$. Over which axes of the cotangent of `A * B` is
# the gradient of each summed? Answer with tuples of axis numbers.

# %% exercise 1 tags=["raises-exception"]
axes_of_A = ...
axes_of_B = ...


# %% check 1
@exercise(1)
def check_1():
    g = rng.normal(size=(4, 2, 3))
    for name, axes, shape in (("A", axes_of_A, (4, 1, 3)), ("B", axes_of_B, (2, 1))):
        axes = answered(axes)
        found = g.sum(axis=tuple(axes) if np.iterable(axes) else axes)
        right = found.size == np.prod(shape) and same(found.reshape(shape), unbroadcast(g, shape))
        expect(right, f"look at {name}; write (4, 1, 3) and (2, 1) below each other, aligned at the right")


# %% [markdown]
# **Exercise 2.** The columns of `x`, of shape $(n, p)$, are centred: $y = x - m$, where $m$, of shape $(p,)$, is the
# mean over the rows. So `x` is used twice, and `m` is broadcast. Derive $\bar x$ from $\bar y$ (`g`), and write it in
# one line.


# %% exercise 2 tags=["raises-exception"]
def centred_backward(g):
    return ...


# %% check 2
@exercise(2)
def check_2():
    x, g = minigrad.Tensor(rng.normal(size=(5, 3)), requires_grad=True), rng.normal(size=(5, 3))
    (x - x.mean(0)).backward(g)
    hint = "x is used twice; the cotangent of m is a sum over the rows, and m itself a mean"
    expect(same(centred_backward(g.copy()), x.grad), hint)


# %% [markdown]
# **Exercise 3.** Write `Multiply`, the product of two arrays with broadcasting, as a `Function`:
# `class Multiply(minigrad.Function)` with `forward(ctx, a, b)` and `backward(ctx, grad)`. You may use `unbroadcast`.
# Put the class in place of the line below.

# %% exercise 3 tags=["raises-exception"]
Multiply = ...


# %% check 3
@exercise(3)
def check_3():
    function = answered(Multiply)
    expect(
        isinstance(function, type) and issubclass(function, minigrad.Function), "Multiply should be a minigrad.Function"
    )
    for shapes in [((5, 3), (5, 3)), ((5, 3), (3,)), ((5, 1), (1, 3)), ((), (2, 3))]:
        inputs = [minigrad.Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]
        a, b = inputs
        product = function.apply(a, b)
        expect(same(product, a.numpy() * b.numpy()), f"forward should return the product, for the shapes {shapes}")
        report = minigrad.gradcheck(function.apply, inputs, raise_exception=False)
        expect(report, f"backward, for the shapes {shapes}\n\n{report}")


# %% [markdown]
# `minigrad grade 4_broadcasting.py Multiply` gives marks for the third; a notebook will do as well.

# %% [markdown]
# ## Read next
#
# - `minigrad/broadcasting.py`: the whole of it, one function.
# - `Operation.fit` in `minigrad/ops/operation.py`, the one place that calls it; `minigrad/strict.py`, which catches the
#   accident.
