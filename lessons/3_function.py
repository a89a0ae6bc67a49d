# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Write your own Function, and find what is wrong
#
# After this lesson you will be able to
#
# - write an operation of your own, forward and backward;
# - have its gradient checked, and read what the checker says;
# - name the usual mistakes, and say why a check at one point lets some of them pass.
#
# You need lesson 2.

# %% [markdown]
# ## The contract
#
# A `Function` is an operation with two static methods, as in PyTorch: functions in a class, which get no `self`.
#
# - `forward(ctx, ...)` gets arrays and returns one array. What the backward will need it keeps in the *context* `ctx`,
#   with `ctx.save_for_backward`.
# - `backward(ctx, grad)` gets the cotangent of the result, `grad`. It returns *one gradient for each input of forward*,
#   of the shape and dtype of that input.
#
# The formulas are those of lesson 2, times `grad`: the backward does not know what comes after it.

# %%
import numpy as np

import minigrad
from minigrad import Function, Tensor
from minigrad.lesson import answered, exercise, expect, same


class Linear(Function):
    @staticmethod
    def forward(ctx, X, W, b):
        ctx.save_for_backward(X, W)
        return X @ W + b

    @staticmethod
    def backward(ctx, grad):
        X, W = ctx.saved_tensors
        return grad @ W.T, X.T @ grad, grad.sum(0)


class MSE(Function):
    @staticmethod
    def forward(ctx, yhat, y):
        ctx.save_for_backward(yhat, y)
        return ((yhat - y) ** 2).mean()

    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        n, q = yhat.shape
        d = 2 / (n * q) * (yhat - y) * grad
        return d, -d


# %% [markdown]
# `apply` calls it and puts it on the tape. Everything that is not a Tensor with `requires_grad` is a constant.

# %%
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
W, b = Tensor(rng.normal(size=(3, 2)), requires_grad=True), Tensor(np.zeros(2), requires_grad=True)

loss = MSE.apply(Linear.apply(X, W, b), Y)
loss.backward()
print(f"loss {loss.item():.4f}, gradients of shape {W.grad.shape} and {b.grad.shape}")
assert np.allclose(W.grad, 2 / 10 * X.T @ (X @ W.numpy() - Y))

# %% [markdown]
# ## The checker
#
# `minigrad.check` compares a backward with numerical derivatives. It chooses the inputs itself, in many shapes. So it
# has to know how the shapes belong together. That is what the *signature* says:
#
# - `(n,p),(p,q),(q)->(n,q)` is that of `Linear`. There are three inputs: two matrices and a vector. The result is a
#   matrix.
# - A letter stands for a size, which `check` chooses. The same letter is the same size: `W` has as many rows as `X` has
#   columns.
# - `()` is a single number. So `(n,q),(n,q)->()` takes two matrices of one shape, and returns a loss.
#
# The report counts as true when nothing is wrong. It counts *promises*: things that whoever uses a backward relies on.
# With `verbose=True` it lists them. The first is the one that everybody thinks of, that the gradient is the derivative.
# Two others need a word. *Second order* means that the backward itself can be differentiated (lesson 6). A *layout* is
# how an array lies in memory, row by row or column by column; no number may depend on that.

# %%
LINEAR, LOSS = "(n,p),(p,q),(q)->(n,q)", "(n,q),(n,q)->()"

assert minigrad.check(Linear, signature=LINEAR)
report = minigrad.check(MSE, signature=LOSS)
print(report)
assert report

# %% [markdown]
# ## A gallery of mistakes
#
# The most common one first. It divides by the number of rows:


# %%
class DividesByRows(MSE):
    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        d = 2 / len(yhat) * (yhat - y) * grad
        return d, -d


one_output = Tensor(rng.normal(size=(5, 1)), requires_grad=True), Tensor(rng.normal(size=(5, 1)), requires_grad=True)
assert minigrad.gradcheck(DividesByRows.apply, one_output)
print("checked with one output: nothing is wrong\n")

report = minigrad.check(DividesByRows, signature=LOSS)
print(report)
assert not report
assert report.faults[0].kind == "factor"

# %% [markdown]
# `gradcheck` looks at the inputs that it is given and nowhere else. With one output, $n$ and $nq$ are the same number:
# the mistake is there, and cannot be seen. `check` tries sizes that differ, and names the factor.
#
# A few more. Read each backward first, and say what is wrong before you run the cell.


# %%
class MSE2(MSE):
    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        return 2 / yhat.size * (yhat - y) * grad, None


class MSE3(MSE):
    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        d = 2 / yhat.size * (yhat - y)
        return d, -d


class Linear2(Linear):
    @staticmethod
    def backward(ctx, grad):
        X, W = ctx.saved_tensors
        return grad @ W.T, X.T @ grad, grad.mean(0)


class Linear3(Linear):
    @staticmethod
    def backward(ctx, grad):
        X, W = ctx.saved_tensors
        return grad @ W.T, X.T @ grad, grad


class Linear4(Linear):
    @staticmethod
    def backward(ctx, grad):
        X, W = ctx.saved_tensors
        return grad @ W.T, grad.T @ X, grad.sum(0)


gallery = [(MSE2, LOSS), (MSE3, LOSS), (Linear2, LINEAR), (Linear3, LINEAR), (Linear4, LINEAR)]
found = []
for function, signature in gallery:
    fault = minigrad.check(function, signature=signature).faults[0]
    found.append(fault.kind)
    print(f"{function.__name__}: {fault}\n")
assert found == ["missing", "cotangent-ignored", "averaged", "unsummed", "transposed"]

# %% [markdown]
# - `MSE2` works in a training loop, which does not need the gradient of the targets. It is wrong all the same: `None`
#   means *the result does not depend on this input*.
# - `MSE3` is right as long as the loss comes last, because `grad` is 1 then. Write `3 * loss`, and it is not.
# - `Linear2` is right for a single row, so it takes several rows to see the mistake.
#
# When a check fails, `gradcheck` raises. Its `GradcheckError` is an `AssertionError`. That of
# `torch.autograd.gradcheck` is a `RuntimeError`, which an `except AssertionError` around it does not catch. It is best
# not caught at all.

# %%
several = Tensor(rng.normal(size=(5, 3)), requires_grad=True), Tensor(rng.normal(size=(5, 3)), requires_grad=True)
try:
    minigrad.gradcheck(MSE2.apply, several)
except AssertionError as error:
    print(f"{type(error).__name__}: {error}")
else:
    raise RuntimeError("nobody noticed")

# %% [markdown]
# ## Exercises
#
# Put a class in place of each line that ends in `...`.
#
# **Exercise 1.** `Sigmoid`, $y = 1 / (1 + e^{-x})$, entry by entry. Its derivative is $y (1 - y)$: save the result, not
# the input.

# %% exercise 1 tags=["raises-exception"]
Sigmoid = ...


# %% check 1
@exercise(1)
def check_1():
    values = answered(Sigmoid).apply(np.array([0.0, np.log(3)]))
    expect(same(values, [0.5, 0.75]), f"0 and ln 3 should give 0.5 and 0.75, and forward gives {values}")
    report = minigrad.check(Sigmoid, signature="()->()")
    expect(report, f"forward is, but not backward\n\n{report}")
    return report


# %% [markdown]
# **Exercise 2.** `Softmax`, $y_k = e^{x_k} / \sum_l e^{x_l}$ over each row of `x` of shape $(n, c)$. Show first that
# $\bar x_k = y_k \left(\bar y_k - \sum_l \bar y_l y_l\right)$. Subtract the largest entry of a row before taking the
# exponential: that changes nothing, and nothing overflows.

# %% exercise 2 tags=["raises-exception"]
Softmax = ...


# %% check 2
@exercise(2)
def check_2():
    softmax = answered(Softmax).apply
    values = softmax(np.array([[0.0, np.log(3)]]))
    expect(same(values, [[0.25, 0.75]]), f"0 and ln 3 should give 0.25 and 0.75, and forward gives {values}")
    values = softmax(np.zeros((2, 2)))
    expect(same(values, np.full((2, 2), 0.5)), f"two rows of zeros should give 0.5 each, and forward gives {values}")
    with np.errstate(all="ignore"):  # an overflow shows as nan
        values = softmax(np.array([[1000, 1000 + np.log(3)]]))
    expect(same(values, [[0.25, 0.75]]), f"1000 and 1000 + ln 3 should give 0.25 and 0.75, and forward gives {values}")
    report = minigrad.check(Softmax, signature="(n,c)->(n,c)")
    expect(report, f"forward is, but not backward\n\n{report}")
    return report


# %% [markdown]
# **Exercise 3.** Be the adversary: write `Fooled`, an `MSE` whose backward is wrong, and which nevertheless passes
# `gradcheck` at the points `one_output` *and* `several` above. Does it pass `check`, too?

# %% exercise 3 tags=["raises-exception"]
Fooled = ...


# %% check 3
@exercise(3)
def check_3():
    arrays = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    fooled = answered(Fooled).apply
    expect(same(fooled(*arrays), MSE.apply(*arrays)), "its forward should be that of MSE")
    for name, point in (("one_output", one_output), ("several", several)):
        found = minigrad.gradcheck(fooled, point, raise_exception=False)
        expect(found, f"gradcheck notices it at the point {name}")
    report = minigrad.check(Fooled, signature=LOSS)
    expect(not report, "check finds nothing wrong with it")
    return f"here is how check found out\n\n{report}"


# %% [markdown]
# `minigrad grade 3_function.py Linear MSE Sigmoid Softmax` gives marks for the classes in this file, each input's
# gradient by itself (a notebook will do as well). `minigrad grade --list` has more to write.

# %% [markdown]
# ## Read next
#
# - `minigrad/function.py`: how a `Function` gets onto the tape. A body that keeps to operators and methods also runs
#   under `torch.autograd.Function`; `torch_ref/` does it.
# - `minigrad/checks/diagnosis.py`: how the checker gets from numbers to words.
