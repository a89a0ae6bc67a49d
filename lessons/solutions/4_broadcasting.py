# %% [markdown]
# # Answers to lesson 4
#
# For each exercise a right answer, and mistakes that the cell below the exercise has to notice.

# %% exercise 1
# The result has shape (4, 2, 3). A was stretched along axis 1; B got axis 0, and was stretched along axis 2.
axes_of_A = (1,)
axes_of_B = (0, 2)

# %% mistake 1: the shapes are aligned at the left
axes_of_A = (1,)
axes_of_B = (1, 2)


# %% exercise 2
def centred_backward(g):
    return g - g.mean(axis=0)  # -g.sum(0) reaches m, and m hands 1/n of it to every row


# %% mistake 2: the mean is taken for a constant
def centred_backward(g):
    return g


# %% mistake 2: the sum over the rows is not divided among them
def centred_backward(g):
    return g - g.sum(axis=0)


# %% exercise 3
class Multiply(minigrad.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        return unbroadcast(grad * b, a.shape), unbroadcast(grad * a, b.shape)


# %% mistake 3: nothing is summed
class Multiply(minigrad.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        return grad * b, grad * a


# %% mistake 3: the factors are exchanged
class Multiply(minigrad.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        return unbroadcast(grad * a, a.shape), unbroadcast(grad * b, b.shape)
