# %% [markdown]
# # Answers to lesson 6
#
# For each exercise a right answer, and mistakes that the cell below the exercise has to notice.


# %% exercise 1
def derivative(f, k):
    for _ in range(k):
        f = grad(f)
    return f


# %% mistake 1: the first derivative, whatever k is
def derivative(f, k):
    return grad(f) if k else f


# %% exercise 2
def newton(f, w):
    return w - np.linalg.solve(hessian(f)(w), grad(f)(w))


# %% mistake 2: a step of gradient descent
def newton(f, w):
    return w - grad(f)(w)


# %% mistake 2: multiplied by the Hessian, not by its inverse
def newton(f, w):
    return w - hessian(f)(w) @ grad(f)(w)


# %% exercise 3
def gradient(X, W, Y):
    t = np.tanh(X @ W)
    d = 2 / Y.size * (t - Y) * (1 - t**2)
    return X.T @ d


# %% mistake 3: tanh is forgotten
def gradient(X, W, Y):
    return X.T @ (2 / Y.size * (np.tanh(X @ W) - Y))


# %% mistake 3: divides by the rows
def gradient(X, W, Y):
    t = np.tanh(X @ W)
    return X.T @ (2 / len(Y) * (t - Y) * (1 - t**2))
