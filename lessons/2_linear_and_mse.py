# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Linear and MSE by hand
#
# After this lesson you will be able to
#
# - derive the gradients of linear regression, for one number, then entry by entry, then as matrices;
# - find the order of the factors, and the transposes, from the shapes alone;
# - check a derivation with a few lines of code, and choose shapes that let no mistake through.
#
# You need lesson 1, sums over indices, and the product of matrices.

# %% [markdown]
# ## A way to check everything
#
# Each derivation below is followed by the code that checks it. The judge is the central difference
# $\frac{f(a + h) - f(a - h)}{2h}$, entry by entry. Our losses are polynomials of degree 2 in every single entry, and
# for these it *is* the derivative, whatever $h$ is: the terms of degree 2 cancel. So we may take $h = 1$, and there is
# nothing to tune.

# %%
import numpy as np

import minigrad
from minigrad.lesson import exercise, expect, same


def slope(f, A):
    """df/dA, entry by entry; f is a polynomial of degree 2 in each entry of A."""
    found = np.empty_like(A)
    for entry in np.ndindex(A.shape):
        above, below = A.copy(), A.copy()
        above[entry] += 1
        below[entry] -= 1
        found[entry] = (f(above) - f(below)) / 2
    return found


rng = np.random.default_rng(0)
p = 3
x, w, b, y = rng.normal(size=p), rng.normal(size=p), rng.normal(size=()), rng.normal(size=())

# %% [markdown]
# ## One row, one output
#
# $$\hat y = \sum_j x_j w_j + b, \qquad \ell = (\hat y - y)^2.$$
#
# The last line first: $\partial \ell / \partial \hat y = 2 (\hat y - y)$. Then the first: in the sum, $w_j$ appears in
# one term only, so $\partial \hat y / \partial w_j = x_j$, and likewise $\partial \hat y / \partial x_j = w_j$ and
# $\partial \hat y / \partial b = 1$. The chain rule multiplies:
#
# $$\frac{\partial \ell}{\partial w_j} = 2 (\hat y - y)\, x_j, \qquad
# \frac{\partial \ell}{\partial x_j} = 2 (\hat y - y)\, w_j, \qquad
# \frac{\partial \ell}{\partial b} = 2 (\hat y - y).$$

# %%
d = 2 * (x @ w + b - y)
dw, dx, db = d * x, d * w, d

assert np.allclose(dw, slope(lambda w: (x @ w + b - y) ** 2, w))
assert np.allclose(dx, slope(lambda x: (x @ w + b - y) ** 2, x))
assert np.allclose(db, slope(lambda b: (x @ w + b - y) ** 2, b))
print("one row, one output: dw, dx and db are right")

# %% [markdown]
# ## Many rows, many outputs
#
# There are $n$ rows (counted by $i$), $p$ features ($j$) and $q$ outputs ($k$). $X$ is $n \times p$. The *weights* $W$
# are $p \times q$. The *bias* $b$ has $q$ entries. The *targets* $Y$ are $n \times q$. The loss is the *mean squared
# error*, MSE for short: the mean over all $N = n q$ entries.
#
# $$\hat Y_{ik} = \sum_j X_{ij} W_{jk} + b_k, \qquad L = \frac{1}{N} \sum_{i,k} (\hat Y_{ik} - Y_{ik})^2.$$
#
# Write $\bar V$ for the cotangent $\partial L / \partial V$ of an array; it has the shape of $V$. Of the $N$ terms of
# the loss, one contains $\hat Y_{ik}$:
#
# $$\bar{\hat Y}_{ik} = \tfrac{2}{N} (\hat Y_{ik} - Y_{ik}).$$
#
# From here on a value is used more than once, and lesson 1 says: add up over all its uses. $W_{jk}$ is used in column
# $k$ of every row, $X_{ij}$ in every column of row $i$, $b_k$ in every row:
#
# $$\bar W_{jk} = \sum_i X_{ij} \bar{\hat Y}_{ik}, \qquad
# \bar X_{ij} = \sum_k \bar{\hat Y}_{ik} W_{jk}, \qquad
# \bar b_k = \sum_i \bar{\hat Y}_{ik}.$$
#
# In Python, term by term:

# %%
n, p, q = 5, 3, 2
N = n * q
X, W, b, Y = rng.normal(size=(n, p)), rng.normal(size=(p, q)), rng.normal(size=q), rng.normal(size=(n, q))


def mse(X, W, b, Y):
    return ((X @ W + b - Y) ** 2).mean()


dYhat = 2 / N * (X @ W + b - Y)
dX, dW, db = np.zeros((n, p)), np.zeros((p, q)), np.zeros(q)
for i in range(n):
    for k in range(q):
        db[k] += dYhat[i, k]
        for j in range(p):
            dW[j, k] += X[i, j] * dYhat[i, k]
            dX[i, j] += dYhat[i, k] * W[j, k]

assert np.allclose(dW, slope(lambda W: mse(X, W, b, Y), W))
assert np.allclose(dX, slope(lambda X: mse(X, W, b, Y), X))
assert np.allclose(db, slope(lambda b: mse(X, W, b, Y), b))
print("entry by entry: dW, dX and db are right")

# %% [markdown]
# ## As matrices
#
# A sum over a shared index is a product of matrices. In $\bar W_{jk} = \sum_i X_{ij} \bar{\hat Y}_{ik}$ the shared
# index comes first in both factors, so the left one must be transposed; in $\bar X$ it comes last in both, so the right
# one must:
#
# $$\bar W = X^\top \bar{\hat Y}, \qquad \bar X = \bar{\hat Y}\, W^\top, \qquad \bar b = \mathbf 1^\top \bar{\hat Y}.$$
#
# There is no need to remember this. $\bar W$ must be $(p, q)$, and there is $X$ of shape $(n, p)$ and $\bar{\hat Y}$ of
# shape $(n, q)$: as long as $n$, $p$ and $q$ differ, only one product fits.

# %%
assert np.allclose(dW, X.T @ dYhat)
assert np.allclose(dX, dYhat @ W.T)
assert np.allclose(db, dYhat.sum(0))
print("as matrices: the same")

# %% [markdown]
# The engine's rules for `linear` and `mse_loss` are these lines (`minigrad/ops/linalg.py`, `minigrad/ops/loss.py`), and
# its tape gives the same numbers:

# %%
tX, tW, tb = (minigrad.Tensor(A, requires_grad=True) for A in (X, W, b))
minigrad.mse_loss(minigrad.linear(tX, tW, tb), Y).backward()

assert np.allclose(tX.grad, dX)
assert np.allclose(tW.grad, dW)
assert np.allclose(tb.grad, db)
print(f"gradients of shape {tX.grad.shape}, {tW.grad.shape} and {tb.grad.shape}: tape and hand agree")

# %% [markdown]
# ## A mistake that hides
#
# The mean is over $N = nq$ entries. Dividing by the number of rows instead gives the right gradient as long as there is
# one output, and $q$ times it otherwise. It still points downhill, so training seems to work, only with another step
# than the one you asked for. That is why the sizes above are 5, 3 and 2: *different, and none of them 1*.


# %%
def times_too_large(outputs):
    Z, T = rng.normal(size=(n, outputs)), rng.normal(size=(n, outputs))
    wrong = 2 / len(Z) * (Z - T)
    true = slope(lambda Z: ((Z - T) ** 2).mean(), Z)
    return (wrong / true).mean()


for outputs in (1, 2, 3):
    print(f"outputs: {outputs}; the wrong gradient is {times_too_large(outputs):.3f} times the right one")
    assert np.isclose(times_too_large(outputs), outputs)

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** The targets have a cotangent as well. Write $\bar Y$, using whatever you need of `X`, `W`, `b`, `Y`,
# `N` and `dYhat`.

# %% exercise 1 tags=["raises-exception"]
dY = ...


# %% check 1
@exercise(1)
def check_1():
    true = slope(lambda Y: mse(X, W, b, Y), Y)
    expect(same(dY, true), "it has the shape of Y; and with which sign does Y enter the difference?")


# %% [markdown]
# **Exercise 2.** Gradient descent needs $\bar W$ and $\bar b$ only. Write a function of two or three lines that returns
# both, for any number of rows, features and outputs.


# %% exercise 2 tags=["raises-exception"]
def gradient(X, W, b, Y):
    return ...


# %% check 2
@exercise(2)
def check_2():
    for n, p, q in ((5, 3, 2), (7, 2, 3), (1, 4, 5)):
        X, W, b, Y = rng.normal(size=(n, p)), rng.normal(size=(p, q)), rng.normal(size=q), rng.normal(size=(n, q))
        true = slope(lambda W: mse(X, W, b, Y), W), slope(lambda b: mse(X, W, b, Y), b)
        found = gradient(X.copy(), W.copy(), b.copy(), Y.copy())
        hint = f"with n, p, q = {n}, {p}, {q}: over how many entries is the mean taken, and in how many rows is b used?"
        expect(same(found, true), hint)


# %% [markdown]
# **Exercise 3.** Some rows count more than others: $L = \frac{1}{N} \sum_i s_i \sum_k (\hat Y_{ik} - Y_{ik})^2$ with a
# weight $s_i$ for each row. Derive the cotangent of $\hat Y$, and compute it; `s` has shape `(n,)`.


# %% exercise 3 tags=["raises-exception"]
def weighted(Yhat, Y, s):
    return ...


# %% check 3
@exercise(3)
def check_3():
    Yhat, s = rng.normal(size=(n, q)), rng.uniform(0.5, 2, size=n)
    true = slope(lambda Yhat: sum(s[i] * ((Yhat[i] - Y[i]) ** 2).sum() for i in range(n)) / N, Yhat)
    found = weighted(Yhat.copy(), Y.copy(), s.copy())
    expect(same(found, true), "row i has the weight s[i] in all its columns: which shape must s have for that?")


# %% [markdown]
# ## Read next
#
# - `docs/derivations.md`: all these formulas on one page, each with the test that holds it in exact arithmetic.
# - `minigrad/ops/linalg.py` and `minigrad/ops/loss.py`: find `linear` and `mse_loss`.
