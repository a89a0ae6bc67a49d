# %% [markdown]
# # Answers to lesson 8
#
# For each exercise a right answer, and mistakes that the cell below the exercise has to notice.


# %% exercise 1
def spread(n):
    return np.sqrt(2 / n)  # 1/sqrt(n) keeps the length, and relu takes half of the square of it


# %% mistake 1: relu is forgotten
def spread(n):
    return 1 / np.sqrt(n)


# %% mistake 1: of the square
def spread(n):
    return 2 / n


# %% exercise 2
def count_dead(h):
    return (h == 0).all(axis=0).sum()


# %% mistake 2: over the wrong axis
def count_dead(h):
    return (h == 0).all(axis=1).sum()


# %% mistake 2: silent for one image is not dead
def count_dead(h):
    return (h == 0).any(axis=0).sum()


# %% mistake 2: one, whatever it is given
def count_dead(h):
    return 1


# %% exercise 3
def clip(gradients, most):
    length = np.sqrt(sum((g**2).sum() for g in gradients))
    return [g * min(1, most / length) for g in gradients]


# %% mistake 3: each array for itself
def clip(gradients, most):
    return [g * min(1, most / np.sqrt((g**2).sum())) for g in gradients]


# %% mistake 3: short ones are stretched
def clip(gradients, most):
    length = np.sqrt(sum((g**2).sum() for g in gradients))
    return [g * most / length for g in gradients]


# %% mistake 3: entry by entry, which changes the direction
def clip(gradients, most):
    return [np.clip(g, -most, most) for g in gradients]
