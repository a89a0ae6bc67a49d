# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6. Gradients of gradients, and the program behind the tape
#
# After this lesson you will be able to
#
# - say why a backward sweep can be differentiated again, and do it;
# - use second derivatives: the Hessian, its product with a vector, Newton's method;
# - print the program that the tape has recorded, and find in it the formulas of lesson 2.
#
# You need lessons 1 to 3.

# %% [markdown]
# ## The sweep is a computation, too
#
# The rule of the product says `g * b`. In lesson 1, `g` and `b` were numbers, and the rule computed a number. Given
# Tensors, the same text *records* a product. With `create_graph=True` minigrad runs the sweep on Tensors. So the sweep
# is on a tape as well, and a tape can be swept.

# %%
import numpy as np

import minigrad
from minigrad import Tensor, grad, gradients, hessian, hvp
from minigrad.lesson import answered, exercise, expect, same

x = Tensor(2.0, requires_grad=True)
y = x * x * x
(dy,) = gradients(y, x, create_graph=True)
(d2y,) = gradients(dy, x, create_graph=True)
(d3y,) = gradients(d2y, x)

print(f"y' = {dy.item()}, y'' = {d2y.item()}, y''' = {d3y.item()}")
assert (dy.item(), d2y.item(), d3y.item()) == (12, 12, 6)  # 3 x^2, 6 x, 6

print(f"on the tape of y': {', '.join(v.op.name for v in minigrad.tape(dy) if v.op)}")
assert len(minigrad.tape(dy)) > len(minigrad.tape(y))

# %% [markdown]
# `grad` takes a function and returns another one, its derivative. So it can be applied again, and the same loop serves
# every order.

# %%
f = np.sin
for order in range(5):
    print(f"derivative {order} of sin at 1: {f(1.0).item():8.5f}")
    f = grad(f)
assert np.isclose(f(1.0), np.cos(1.0))  # the fifth

# %% [markdown]
# ## What second derivatives are good for
#
# For linear regression, lesson 5 used the Hessian $H = \frac{2}{n} X^\top X$. Now the tape can find it. It does not
# depend on where we are: the loss is a paraboloid.

# %%
rng = np.random.default_rng(0)
n, p = 50, 3
X = rng.normal(size=(n, p))
Y = X @ [2.0, -1.0, 0.5] + 0.1 * rng.normal(size=n)


def loss(w):
    return ((X @ w - Y) ** 2).mean()


H = hessian(loss)(np.zeros(p))
print(H.round(3))
assert np.allclose(H, 2 / n * X.T @ X)
assert np.allclose(H, hessian(loss)(rng.normal(size=p)))

# %% [markdown]
# With a million parameters nobody can store $H$. But $H v$ is as long as the gradient, and costs a few sweeps only: it
# is the gradient of $\langle \nabla L, v \rangle$, in which $v$ is a constant.

# %%
v = rng.normal(size=p)
w = Tensor(np.zeros(p), requires_grad=True)
(slope,) = gradients(loss(w), w, create_graph=True)
(product,) = gradients((slope * v).sum(), w)

print(f"H v = {product.numpy()}")
assert np.allclose(product.numpy(), H @ v)
(ready_made,) = hvp(loss, (np.zeros(p),), (v,))  # for any number of arrays
assert np.allclose(ready_made, H @ v)

# %% [markdown]
# Newton's method replaces the loss by the paraboloid that agrees with it up to second order where we stand, and goes to
# its lowest point, $w - H^{-1} \nabla L$. Here the paraboloid is the loss itself. One step, and no step size to choose:

# %%
w = np.zeros(p) - np.linalg.solve(H, grad(loss)(np.zeros(p)))
optimum, *_ = np.linalg.lstsq(X, Y)

print(f"after one step: {w}\nleast squares:  {optimum}")
assert np.allclose(w, optimum)

# %% [markdown]
# ## A trap
#
# The function below is right, and so is its first derivative. But it saves $2x$, which it has computed, and not $x$,
# which it was given. The second derivative has to go through what was saved: where did $2x$ come from? For
# $f(x) = x \cdot x^2$ the truth is $f''(3) = 18$. PyTorch returns 12 and says nothing. minigrad runs the forward once
# more, on Tensors, so that the tape knows. Only where a number has left the tape it stops, and names the line.


# %%
class Square(minigrad.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(2 * x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (twice,) = ctx.saved_tensors
        return twice * grad


x = Tensor(3.0, requires_grad=True)
f = x * Square.apply(x)
(df,) = gradients(f, x, create_graph=True)
assert df.item() == 27  # 3 x^2
(d2f,) = gradients(df, x)
assert d2f.item() == 18

# %% [markdown]
# ## The program behind the tape
#
# A tape is a list of operations in the order in which they were computed: a program without loops and branches. A
# recorded sweep only makes it longer. `minigrad.source` prints it. Here is a whole step of gradient descent, for a
# linear model with a bias:


# %%
def step(X, W, b, Y):
    return minigrad.mse_loss(minigrad.linear(X, W, b), Y)


def update(parameters, gradients):
    W, b = parameters
    dW, db = gradients
    return [W - 0.1 * dW, b - 0.1 * db]


W, b, Y = np.zeros((p, 2)), np.zeros(2), rng.normal(size=(n, 2))
program = minigrad.source(step, X, W, b, Y, grad_of=("W", "b"), update=update)
print(program)

# %% [markdown]
# Find the two formulas of lesson 2 in it, $\bar W = X^\top \bar{\hat Y}$ and $\bar b = \mathbf 1^\top \bar{\hat Y}$. No
# Tensor is left, and no minigrad: it is the NumPy that one would write by hand. It can be called, and gives the same
# numbers as the tape, bit for bit:

# %%
_, (new_W, new_b) = program(X, W, b, Y)

tensors = Tensor(W, requires_grad=True), Tensor(b, requires_grad=True)
dW, db = gradients(step(X, *tensors, Y), tensors)
assert "X.T @" in str(program)
assert np.array_equal(new_W, W - 0.1 * dW.numpy())
assert np.array_equal(new_b, b - 0.1 * db.numpy())
print("tape and program agree in every bit")

# %% [markdown]
# And the second derivative of tanh, as minigrad found it. By hand one gets $-2 \tanh x\, (1 - \tanh^2 x)$:

# %%
second = minigrad.source(lambda x: np.tanh(x).sum(), np.zeros(3), grad_of="x", order=2)
print(second)

x = np.array([-1.0, 0.0, 2.0])
_, _, d2 = second(x)
assert np.allclose(d2, -2 * np.tanh(x) * (1 - np.tanh(x) ** 2))

# %% [markdown]
# ## Exercises
#
# **Exercise 1.** Write `derivative(f, k)`, the `k`-th derivative of a function of one number, as a function.


# %% exercise 1 tags=["raises-exception"]
def derivative(f, k):
    return ...


# %% check 1
@exercise(1)
def check_1():
    answered(derivative(np.sin, 1))
    cases = ("sin", np.sin, 0, np.sin(0.5)), ("sin", np.sin, 3, -np.cos(0.5)), ("x^5", lambda x: x**5, 5, 120.0)
    for name, f, k, true in cases:
        expect(same(answered(derivative(f, k))(0.5), true, rtol=1e-9), f"at x = 0.5, for {name} and k = {k}")


# %% [markdown]
# **Exercise 2.** Write `newton(f, w)`, one step of Newton's method from `w` of shape $(p,)$, for any loss. The cell
# below takes eight steps on logistic regression, where the loss is no paraboloid. Watch the gradient: in the end each
# step doubles the number of its leading zeros.


# %% exercise 2 tags=["raises-exception"]
def newton(f, w):
    return ...


# %% check 2
sign = np.where(rng.normal(size=n) + X[:, 0] > 0, 1.0, -1.0)


def logistic(w):
    return minigrad.softplus(-sign * (X @ w)).mean()


@exercise(2)
def check_2():
    w, lengths = np.zeros(p), []
    for _ in range(8):
        w = answered(newton(logistic, w))
        expect(np.shape(w) == (p,), f"w should have the shape {(p,)}, and has {np.shape(w)}")
        w = np.array([float(entry) for entry in w])
        lengths.append(np.linalg.norm(grad(logistic)(w)))
    steps = "\n".join(f"  length of the gradient: {length:.1e}" for length in lengths)
    expect(lengths[-1] < 1e-12, f"the gradient should be zero by now, up to rounding\n{steps}")
    return steps


# %% [markdown]
# **Exercise 3.** $L = \frac{1}{N} \sum (\tanh(X W) - Y)^2$ with $Y$ of shape $(n, q)$. Write $\bar W$ in NumPy by hand,
# in two or three lines. Then print `minigrad.source` of it, and compare.


# %% exercise 3 tags=["raises-exception"]
def gradient(X, W, Y):
    return ...


# %% check 3
@exercise(3)
def check_3():
    W = rng.normal(size=(p, 2))
    program = minigrad.source(lambda X, W, Y: ((np.tanh(X @ W) - Y) ** 2).mean(), X, W, Y, grad_of="W")
    _, true = program(X, W, Y)
    found = gradient(X.copy(), W.copy(), Y.copy())
    expect(same(found, true), "three factors, of the shapes of their inputs: the loss, tanh, the product")
    return program


# %% [markdown]
# ## Read next
#
# - `sweep` in `minigrad/backprop.py`: the `if create_graph` is nearly all that gradients of gradients need.
# - `minigrad/transforms.py`: `grad`, `hessian`, `hvp` and the others. Forward mode is there, too, as two backward
#   sweeps.
# - `minigrad/program/source.py`: how a tape becomes a program.
