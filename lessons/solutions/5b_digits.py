# %% [markdown]
# # Answers to lesson 5b
#
# For each exercise a right answer, and mistakes that the cell below the exercise has to notice.

# %% exercise 1
first_loss = np.log(10)  # the probability of each digit is 1/10

# %% mistake 1: the probability, not its logarithm
first_loss = 1 / 10


# %% exercise 2
def cross_entropy_gradient(scores, labels):
    p = np.exp(log_softmax(scores))
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)


# %% mistake 2: of the sum, not of the mean
def cross_entropy_gradient(scores, labels):
    return np.exp(log_softmax(scores)) - np.eye(scores.shape[1])[labels]


# %% mistake 2: the mean over all entries
def cross_entropy_gradient(scores, labels):
    return (np.exp(log_softmax(scores)) - np.eye(scores.shape[1])[labels]) / scores.size


# %% exercise 3
def network_backward(g, x, W1, b1, W2, b2):
    before = x @ W1 + b1
    h = np.maximum(before, 0)
    dh = g @ W2.T
    dbefore = np.where(before > 0, dh, 0)
    return x.T @ dbefore, dbefore.sum(0), h.T @ g, g.sum(0)


# %% mistake 3: relu is forgotten
def network_backward(g, x, W1, b1, W2, b2):
    h = np.maximum(x @ W1 + b1, 0)
    dh = g @ W2.T
    return x.T @ dh, dh.sum(0), h.T @ g, g.sum(0)


# %% mistake 3: relu looks at the sign of the cotangent
def network_backward(g, x, W1, b1, W2, b2):
    h = np.maximum(x @ W1 + b1, 0)
    dh = np.maximum(g @ W2.T, 0)
    return x.T @ dh, dh.sum(0), h.T @ g, g.sum(0)
