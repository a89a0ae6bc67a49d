# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. The chain rule on a tape
#
# After this lesson you will be able to
#
# - differentiate a small program by hand, one line at a time, from its last line to its first;
# - write a tape that does it for you, in a page of Python;
# - say why gradients add up where a value is used twice, and why the sweep runs backwards.
#
# You need Python and the derivative of a product.

# %% [markdown]
# ## A program of four lines
#
# From $x = 3$ we want to predict $y = 4$ with a straight line of slope $w$ and intercept $b$. The squared error is the
# *loss* $L$. A computer gets there in four operations:

# %%
import math

import minigrad
from minigrad.lesson import answered, exercise, expect, same

w, x, b, y = 2.0, 3.0, 1.0, 4.0

t = w * x
p = t + b
e = p - y
L = e**2

print(f"t = {t}, p = {p}, e = {e}, L = {L}")
assert (t, p, e, L) == (6, 7, 3, 9)

# %% [markdown]
# How does $L$ change when $w$ changes a little? The derivative of each single line is easy, for example
# $\partial L / \partial e = 2e$. The chain rule multiplies them: if $v$ enters $L$ only through $u$, then
#
# $$\frac{\partial L}{\partial v} = \frac{\partial L}{\partial u} \cdot \frac{\partial u}{\partial v}.$$
#
# The derivative of the loss with respect to $v$ is called the *cotangent* of $v$; in the code it is `dv`. To know `dv`
# we need `du` first. So we go through the program from the last line to the first, and each line passes the cotangent
# of its result on to its inputs:

# %%
dL = 1.0  # L changes with L one to one
de = dL * 2 * e  # because L = e**2
dp, dy = de * 1, de * -1  # because e = p - y
dt, db = dp * 1, dp * 1  # because p = t + b
dw, dx = dt * x, dt * w  # because t = w * x

print(f"dw = {dw}, dx = {dx}, db = {db}, dy = {dy}")
assert (dw, dx, db, dy) == (18, 12, 6, -6)

# %% [markdown]
# Is it true? A derivative can always be measured: move $w$ a little in both directions, and see what $L$ does.


# %%
def loss(w, x, b, y):
    return (w * x + b - y) ** 2


h = 1e-6
measured = (loss(w + h, x, b, y) - loss(w - h, x, b, y)) / (2 * h)

print(f"measured: {measured:.6f}, by the chain rule: {dw}")
assert abs(measured - dw) < 1e-6

# %% [markdown]
# ## Let the program write itself down
#
# What we did by hand needs to know two things of each line: which operation it was, and on what. So each operation
# writes a row on a list while it computes. That list is the *tape*.
#
# First the table of operations. Each one has two functions. One computes. The other is its *rule*: it takes the
# cotangent `g` of the result, and the inputs, and returns a tuple with one number for each input. This number is what
# is passed on to the input: a derivative that you learned at school, times `g`. We call it a *partial*.


# %%
def multiply(a, b):
    return a * b


def multiply_rule(g, a, b):
    return g * b, g * a


def add(a, b):
    return a + b


def add_rule(g, a, b):
    return g, g


def subtract(a, b):
    return a - b


def subtract_rule(g, a, b):
    return g, -g


def square(a):
    return a * a


def square_rule(g, a):
    return (2 * a * g,)


OPERATIONS: dict = {
    "multiply": (multiply, multiply_rule),
    "add": (add, add_rule),
    "subtract": (subtract, subtract_rule),
    "square": (square, square_rule),
}

# %% [markdown]
# A `Number` is a value that remembers two things: the name of the operation that made it, and its inputs. A number that
# is given has neither. Python calls `__mul__` where we write `a * b`, and likewise `__add__` and `__sub__`. Each asks
# `record` to compute, and to put the result on the tape.


# %%
tape = []


class Number:
    """A value, and how it was made. Making one puts it on the tape."""

    def __init__(self, value, operation=None, inputs=()):
        self.value, self.operation, self.inputs = value, operation, inputs
        tape.append(self)

    def __mul__(self, other):
        return record("multiply", self, other)

    def __add__(self, other):
        return record("add", self, other)

    def __sub__(self, other):
        return record("subtract", self, other)


def record(operation, *inputs):
    compute, _ = OPERATIONS[operation]
    values = [number.value for number in inputs]
    return Number(compute(*values), operation, inputs)


# %% [markdown]
# The sweep goes over the tape from its end to its beginning. It begins with the cotangent 1 for $L$, and 0 for all
# others: `dict.fromkeys(tape, 0.0)` is a dictionary with a 0 for each row. At each row the rule returns the partials,
# the first one for the first input and so on. Each is *added* to what its input has already.


# %%
def backward(L):
    """The cotangent dL/dv of every v on the tape."""
    cotangent = dict.fromkeys(tape, 0.0)
    cotangent[L] = 1.0
    for row in reversed(tape):
        if row.operation is not None:
            _, rule = OPERATIONS[row.operation]
            partials = rule(cotangent[row], *[number.value for number in row.inputs])
            for i, number in enumerate(row.inputs):
                cotangent[number] += partials[i]
    return cotangent


# %% [markdown]
# That is all of backpropagation. The four lines of the beginning, now on the tape:

# %%
tape.clear()
w, x, b, y = Number(2.0), Number(3.0), Number(1.0), Number(4.0)
L = record("square", w * x + b - y)
cotangent = backward(L)

for v in tape:
    print(f"{v.operation or 'given':10} {v.value:5}   cotangent {cotangent[v]:5}")
assert [cotangent[v] for v in (w, x, b, y)] == [18, 12, 6, -6]

# %% [markdown]
# ## A value that is used twice
#
# In $f = u \cdot u + u$ three paths lead from $f$ back to $u$: one through each factor, one through the sum. Moving $u$
# moves $f$ along all of them at once. So the cotangent of $u$ is the *sum over the paths*: $u + u + 1$. That is what
# the `+=` in `backward` is for.

# %%
tape.clear()
u = Number(3.0)
cotangent = backward(u * u + u)

print(cotangent[u])
assert cotangent[u] == 3 + 3 + 1

# %% [markdown]
# There may be many paths. Double a number sixty times, and $2^{60}$ of them lead back; following a billion of them a
# second would take 36 years. The sweep visits each row of the tape once. Once is enough because it runs backwards: when
# it reaches a row, every row that used its result has been visited already, so its cotangent is complete.

# %%
tape.clear()
first = Number(1.0)
last = first
for _ in range(60):
    last = last + last
cotangent = backward(last)

print(f"{cotangent[first]:.0f} after {len(tape)} rows")
assert cotangent[first] == 2**60

# %% [markdown]
# ## minigrad does the same
#
# A `Tensor` is our `Number` with an array in place of a float. The operations are functions of minigrad, which put
# themselves on the tape. NumPy's functions do so too, when they meet a Tensor: `np.square` is `minigrad.square` then.
# Of a Tensor with `requires_grad=True` we want the cotangent. The sweep puts it into `grad`.

# %%
w = minigrad.Tensor(2.0, requires_grad=True)
x = minigrad.Tensor(3.0, requires_grad=True)
b = minigrad.Tensor(1.0, requires_grad=True)
y = minigrad.Tensor(4.0, requires_grad=True)
L = minigrad.square(w * x + b - y)
L.backward()

print(f"dw = {w.grad}, dx = {x.grad}, db = {b.grad}, dy = {y.grad}\n")
print(minigrad.table(L))
assert "t4    multiply(w, x)" in str(minigrad.table(L))
assert [v.op.name for v in minigrad.tape(L) if v.op] == ["multiply", "add", "subtract", "square"]
assert (w.grad, x.grad, b.grad, y.grad) == (18, 12, 6, -6)

# %% [markdown]
# The first half of the table is our tape. minigrad has given names to what had none: row 4 is `t4`, our `t`. The column
# `kept` says how much memory each row holds on to, because the sweep will need it.
#
# The second half is our sweep, a line for each step. A bar over a name means its cotangent: `t̅4̅` is what we called
# `dt`. The column `gradient` is the cotangent so far. `adds` is filled in where a step adds to a cotangent that is
# there already, as with a value that is used twice. `undone` is for arrays: lesson 4 undoes broadcasting.
#
# The same as a picture:

# %%
minigrad.draw(L)

# %% [markdown]
# ## Exercises
#
# Replace each `...`, and run the cell below it.
#
# **Exercise 1.** $f = (a + b) \cdot a$ with $a = 2$ and $b = 3$. What are the cotangents of $a$ and $b$? Find them by
# hand: write $s = a + b$, then go backwards.

# %% exercise 1 tags=["raises-exception"]
da = ...
db = ...


# %% check 1
@exercise(1)
def check_1():
    a, b = minigrad.Tensor(2.0, requires_grad=True), minigrad.Tensor(3.0, requires_grad=True)
    ((a + b) * a).backward()
    expect(same(da, a.grad), "da: a is used twice, once in the sum, once as a factor")
    expect(same(db, b.grad), "db: b is used once, in the sum, and the sum is a factor")


# %% [markdown]
# **Exercise 2.** Give our tape a fifth operation, $e^a$. Its row is a pair like those in `OPERATIONS`: what it computes
# (use `math.exp`), and its rule, which returns a tuple of one partial.

# %% exercise 2 tags=["raises-exception"]
exp = ...


# %% check 2
@exercise(2)
def check_2():
    row = answered(exp)
    expect(isinstance(row, tuple | list) and len(row) == 2, "a row is a pair: what computes, and its rule")
    compute, rule = row
    expect(same(compute(0.5), math.exp(0.5)), "the first of the pair should compute e^a")
    expect(same(rule(0.0, 0.5), (0.0,)), "the rule returns a tuple of one partial, which is 0 where the cotangent is 0")
    OPERATIONS["exp"] = row
    tape.clear()
    x = Number(0.5)
    dx = backward(record("square", record("exp", x)))[x]
    expect(same(dx, 2 * math.exp(1.0)), "in (e^x)^2, with x = 0.5, the cotangent of x comes out wrong")


# %% [markdown]
# **Exercise 3.** A program of three lines: `p = a * b`, `q = p + a`, `r = p * q`, with $a = 2$ and $b = 3$. List the
# contributions of all the paths from $r$ to $a$: for each path, the product of the derivatives along it.

# %% exercise 3 tags=["raises-exception"]
contributions = ...


# %% check 3
@exercise(3)
def check_3():
    a, b = minigrad.Tensor(2.0, requires_grad=True), minigrad.Tensor(3.0)
    p = a * b
    q = p + a
    r = p * q
    found = minigrad.explain(r, a)
    given = answered(contributions)
    expect(hasattr(given, "__iter__"), "a list is needed, of a number for each path")
    mine = list(given)
    expect(len(mine) == len(found.paths), "there are three paths from r to a, and each has one contribution")
    true = sorted(path.contribution for path in found.paths)
    expect(same(sorted(mine), true), "a contribution is the product of all the derivatives along its path")
    return f"minigrad finds the same\n\n{found}"


# %% [markdown]
# ## Read next
#
# - `minigrad/backprop.py`: `record`, `tape` and `sweep` are the three pieces you have just seen, for arrays.
# - `minigrad/ops/elementwise.py`: the table of operations. Find `multiply`, and compare.
