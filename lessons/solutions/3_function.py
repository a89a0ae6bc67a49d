# %% [markdown]
# # Answers to lesson 3
#
# For each exercise a right answer, and mistakes that the cell below the exercise has to notice.


# %% exercise 1
class Sigmoid(Function):
    @staticmethod
    def forward(ctx, x):
        e = np.exp(-np.abs(x))  # never overflows
        y = np.where(x >= 0, 1, e) / (1 + e)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y * (1 - y)


# %% mistake 1: the formula in y, applied to x
class Sigmoid(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 1 / (1 + np.exp(-x))

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * x * (1 - x)


# %% exercise 2
# The Jacobian is dy_k/dx_j = y_k ([k = j] - y_j), where [k = j] is 1 or 0. So the gradient of x_j is
# sum_k g_k y_k ([k = j] - y_j) = y_j (g_j - sum_k g_k y_k).
class Softmax(Function):
    @staticmethod
    def forward(ctx, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return y * (grad - (grad * y).sum(axis=1, keepdims=True))


# %% mistake 2: only the diagonal of the Jacobian
class Softmax(Function):
    @staticmethod
    def forward(ctx, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y * (1 - y)


# %% mistake 2: over all rows at once
class Softmax(Function):
    @staticmethod
    def forward(ctx, x):
        e = np.exp(x - x.max())
        y = e / e.sum()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return y * (grad - (grad * y).sum())


# %% mistake 2: overflows
class Softmax(Function):
    @staticmethod
    def forward(ctx, x):
        e = np.exp(x)
        y = e / e.sum(axis=1, keepdims=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return y * (grad - (grad * y).sum(axis=1, keepdims=True))


# %% exercise 3
# Both points have five rows, so one may divide by 5 where n belongs.
class Fooled(MSE):
    @staticmethod
    def backward(ctx, grad):
        yhat, y = ctx.saved_tensors
        d = 2 / (5 * yhat.shape[1]) * (yhat - y) * grad
        return d, -d


# %% mistake 3: it is noticed at the second point
Fooled = DividesByRows

# %% mistake 3: nothing is wrong with it
Fooled = MSE
