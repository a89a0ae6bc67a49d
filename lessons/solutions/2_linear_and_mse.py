# %% [markdown]
# # Answers to lesson 2
#
# For each exercise a right answer, and mistakes that the cell below the exercise has to notice.

# %% exercise 1
dY = -dYhat

# %% mistake 1: the sign
dY = dYhat


# %% exercise 2
def gradient(X, W, b, Y):
    dYhat = 2 / Y.size * (X @ W + b - Y)
    return X.T @ dYhat, dYhat.sum(0)


# %% mistake 2: divides by the number of rows
def gradient(X, W, b, Y):
    dYhat = 2 / len(Y) * (X @ W + b - Y)
    return X.T @ dYhat, dYhat.sum(0)


# %% mistake 2: the bias gets the mean over the rows
def gradient(X, W, b, Y):
    dYhat = 2 / Y.size * (X @ W + b - Y)
    return X.T @ dYhat, dYhat.mean(0)


# %% exercise 3
def weighted(Yhat, Y, s):
    return 2 / Y.size * s[:, np.newaxis] * (Yhat - Y)


# %% mistake 3: the weights are forgotten
def weighted(Yhat, Y, s):
    return 2 / Y.size * (Yhat - Y)
