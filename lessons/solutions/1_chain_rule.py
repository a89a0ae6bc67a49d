# %% [markdown]
# # Answers to lesson 1
#
# For each exercise a right answer, and mistakes that the cell below the exercise has to notice.

# %% exercise 1
# f = s a with s = a + b: ds = g a = 2 goes to a and to b; and a gets g s = 5 as a factor.
da = 2 + 5
db = 2

# %% mistake 1: only one of the two paths to a
da = 5
db = 2

# %% exercise 2
exp = (math.exp, lambda g, a: (g * math.exp(a),))

# %% mistake 2: the cotangent is not handed on
exp = (math.exp, lambda g, a: (math.exp(a),))

# %% mistake 2: the rule of a power
exp = (math.exp, lambda g, a: (g * a * math.exp(a - 1),))

# %% exercise 3
# r -> p -> a: q * b, r -> q -> p -> a: p * 1 * b, r -> q -> a: p * 1
contributions = [8 * 3, 6 * 1 * 3, 6 * 1]

# %% mistake 3: the path through q and p is forgotten
contributions = [24, 6]
