# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Linear et MSE à la main
#
# À la fin de cette leçon, vous saurez
#
# - établir les gradients de la régression linéaire, pour un nombre, puis coefficient par coefficient, puis sous forme
#   matricielle ;
# - retrouver l'ordre des facteurs et les transposées à partir des seules dimensions ;
# - vérifier un calcul de dérivées en quelques lignes de code, et choisir des dimensions qui ne laissent passer aucune
#   erreur.
#
# Il vous faut la leçon 1, les sommes indexées et le produit de matrices.

# %% langue
import os

os.environ["MINIGRAD_LANG"] = "fr"  # les vérifications répondent en français

# %% [markdown]
# ## De quoi tout vérifier
#
# Chaque calcul ci-dessous est suivi du code qui le vérifie. L'arbitre est la différence centrée
# $\frac{f(a + h) - f(a - h)}{2h}$, coefficient par coefficient. Nos pertes sont des polynômes de degré 2 en chaque
# coefficient pris séparément, et pour ceux-ci elle *est* la dérivée, quel que soit $h$ : les termes de degré 2 se
# compensent. On peut donc prendre $h = 1$, et il n'y a rien à régler.

# %%
import numpy as np

import minigrad
from minigrad.lesson import exercise, expect, same


def slope(f, A):
    """df/dA, entry by entry; f is a polynomial of degree 2 in each entry of A."""
    found = np.empty_like(A)
    for entry in np.ndindex(A.shape):
        above, below = A.copy(), A.copy()
        above[entry] += 1
        below[entry] -= 1
        found[entry] = (f(above) - f(below)) / 2
    return found


rng = np.random.default_rng(0)
p = 3
x, w, b, y = rng.normal(size=p), rng.normal(size=p), rng.normal(size=()), rng.normal(size=())

# %% [markdown]
# ## Un exemple, une sortie
#
# $$\hat y = \sum_j x_j w_j + b, \qquad \ell = (\hat y - y)^2.$$
#
# La dernière ligne d'abord : $\partial \ell / \partial \hat y = 2 (\hat y - y)$. Puis la première : dans la somme,
# $w_j$ n'apparaît que dans un terme, donc $\partial \hat y / \partial w_j = x_j$ ; de même
# $\partial \hat y / \partial x_j = w_j$ et $\partial \hat y / \partial b = 1$. La règle de la chaîne multiplie :
#
# $$\frac{\partial \ell}{\partial w_j} = 2 (\hat y - y)\, x_j, \qquad
# \frac{\partial \ell}{\partial x_j} = 2 (\hat y - y)\, w_j, \qquad
# \frac{\partial \ell}{\partial b} = 2 (\hat y - y).$$

# %%
d = 2 * (x @ w + b - y)
dw, dx, db = d * x, d * w, d

assert np.allclose(dw, slope(lambda w: (x @ w + b - y) ** 2, w))
assert np.allclose(dx, slope(lambda x: (x @ w + b - y) ** 2, x))
assert np.allclose(db, slope(lambda b: (x @ w + b - y) ** 2, b))
print("one row, one output: dw, dx and db are right")

# %% [markdown]
# ## Plusieurs exemples, plusieurs sorties
#
# Il y a $n$ exemples (indice $i$), $p$ caractéristiques ($j$) et $q$ sorties ($k$). $X$ est de taille $n \times p$. Les
# *poids* $W$ sont de taille $p \times q$. Le *biais* $b$ a $q$ coefficients. Les *cibles* $Y$ sont de taille
# $n \times q$. La perte est l'*erreur quadratique moyenne* (*mean squared error*, MSE) : la moyenne sur les $N = n q$
# coefficients :
#
# $$\hat Y_{ik} = \sum_j X_{ij} W_{jk} + b_k, \qquad L = \frac{1}{N} \sum_{i,k} (\hat Y_{ik} - Y_{ik})^2.$$
#
# Notons $\bar V$ le cotangent $\partial L / \partial V$ d'un tableau ; il a les dimensions de $V$. Parmi les $N$ termes
# de la perte, un seul contient $\hat Y_{ik}$ :
#
# $$\bar{\hat Y}_{ik} = \tfrac{2}{N} (\hat Y_{ik} - Y_{ik}).$$
#
# À partir d'ici, une valeur sert plusieurs fois, et la leçon 1 dit quoi faire : additionner sur tous ses usages.
# $W_{jk}$ sert à la sortie $k$ de chaque exemple, $X_{ij}$ à toutes les sorties de l'exemple $i$, $b_k$ à la sortie $k$
# de chaque exemple :
#
# $$\bar W_{jk} = \sum_i X_{ij} \bar{\hat Y}_{ik}, \qquad
# \bar X_{ij} = \sum_k \bar{\hat Y}_{ik} W_{jk}, \qquad
# \bar b_k = \sum_i \bar{\hat Y}_{ik}.$$
#
# En Python, terme à terme :

# %%
n, p, q = 5, 3, 2
N = n * q
X, W, b, Y = rng.normal(size=(n, p)), rng.normal(size=(p, q)), rng.normal(size=q), rng.normal(size=(n, q))


def mse(X, W, b, Y):
    return ((X @ W + b - Y) ** 2).mean()


dYhat = 2 / N * (X @ W + b - Y)
dX, dW, db = np.zeros((n, p)), np.zeros((p, q)), np.zeros(q)
for i in range(n):
    for k in range(q):
        db[k] += dYhat[i, k]
        for j in range(p):
            dW[j, k] += X[i, j] * dYhat[i, k]
            dX[i, j] += dYhat[i, k] * W[j, k]

assert np.allclose(dW, slope(lambda W: mse(X, W, b, Y), W))
assert np.allclose(dX, slope(lambda X: mse(X, W, b, Y), X))
assert np.allclose(db, slope(lambda b: mse(X, W, b, Y), b))
print("entry by entry: dW, dX and db are right")

# %% [markdown]
# ## Sous forme matricielle
#
# Une somme sur un indice commun est un produit de matrices. Dans $\bar W_{jk} = \sum_i X_{ij} \bar{\hat Y}_{ik}$,
# l'indice commun est le premier dans les deux facteurs : il faut transposer celui de gauche. Dans $\bar X$, il est le
# dernier dans les deux : il faut transposer celui de droite.
#
# $$\bar W = X^\top \bar{\hat Y}, \qquad \bar X = \bar{\hat Y}\, W^\top, \qquad \bar b = \mathbf 1^\top \bar{\hat Y}.$$
#
# Inutile de retenir ces formules. $\bar W$ doit être de taille $(p, q)$, et l'on dispose de $X$ de taille $(n, p)$ et
# de $\bar{\hat Y}$ de taille $(n, q)$ : tant que $n$, $p$ et $q$ diffèrent, un seul produit convient.

# %%
assert np.allclose(dW, X.T @ dYhat)
assert np.allclose(dX, dYhat @ W.T)
assert np.allclose(db, dYhat.sum(0))
print("as matrices: the same")

# %% [markdown]
# Les règles de `linear` et de `mse_loss` dans minigrad sont exactement ces lignes (`minigrad/ops/linalg.py`,
# `minigrad/ops/loss.py`), et sa bande donne les mêmes nombres :

# %%
tX, tW, tb = (minigrad.Tensor(A, requires_grad=True) for A in (X, W, b))
minigrad.mse_loss(minigrad.linear(tX, tW, tb), Y).backward()

assert np.allclose(tX.grad, dX)
assert np.allclose(tW.grad, dW)
assert np.allclose(tb.grad, db)
print(f"gradients of shape {tX.grad.shape}, {tW.grad.shape} and {tb.grad.shape}: tape and hand agree")

# %% [markdown]
# ## Une erreur qui se cache
#
# La moyenne porte sur $N = nq$ coefficients. Si l'on divise par le nombre d'exemples, le gradient est juste tant qu'il
# n'y a qu'une sortie, et $q$ fois trop grand sinon. Il pointe toujours dans la bonne direction : l'apprentissage semble
# fonctionner, mais avec un autre pas que celui qu'on a demandé. C'est pourquoi les tailles ci-dessus sont 5, 3 et 2 :
# *différentes, et aucune égale à 1*.


# %%
def times_too_large(outputs):
    Z, T = rng.normal(size=(n, outputs)), rng.normal(size=(n, outputs))
    wrong = 2 / len(Z) * (Z - T)
    true = slope(lambda Z: ((Z - T) ** 2).mean(), Z)
    return (wrong / true).mean()


for outputs in (1, 2, 3):
    print(f"outputs: {outputs}; the wrong gradient is {times_too_large(outputs):.3f} times the right one")
    assert np.isclose(times_too_large(outputs), outputs)

# %% [markdown]
# ## Exercices
#
# **Exercice 1.** Les cibles ont elles aussi un cotangent. Écrivez $\bar Y$ à l'aide de ce qui vous sert parmi `X`, `W`,
# `b`, `Y`, `N` et `dYhat`.

# %% exercise 1 tags=["raises-exception"]
dY = ...


# %% check 1
@exercise(1)
def check_1():
    true = slope(lambda Y: mse(X, W, b, Y), Y)
    expect(same(dY, true), "it has the shape of Y; and with which sign does Y enter the difference?")


# %% [markdown]
# **Exercice 2.** La descente de gradient n'a besoin que de $\bar W$ et de $\bar b$. Écrivez une fonction de deux ou
# trois lignes qui renvoie les deux, quels que soient les nombres d'exemples, de caractéristiques et de sorties.


# %% exercise 2 tags=["raises-exception"]
def gradient(X, W, b, Y):
    return ...


# %% check 2
@exercise(2)
def check_2():
    for n, p, q in ((5, 3, 2), (7, 2, 3), (1, 4, 5)):
        X, W, b, Y = rng.normal(size=(n, p)), rng.normal(size=(p, q)), rng.normal(size=q), rng.normal(size=(n, q))
        true = slope(lambda W: mse(X, W, b, Y), W), slope(lambda b: mse(X, W, b, Y), b)
        found = gradient(X.copy(), W.copy(), b.copy(), Y.copy())
        hint = f"with n, p, q = {n}, {p}, {q}: over how many entries is the mean taken, and in how many rows is b used?"
        expect(same(found, true), hint)


# %% [markdown]
# **Exercice 3.** Certains exemples comptent plus que d'autres :
# $L = \frac{1}{N} \sum_i s_i \sum_k (\hat Y_{ik} - Y_{ik})^2$, avec un poids $s_i$ pour chaque exemple. Établissez le
# cotangent de $\hat Y$, et calculez-le ; `s` est de taille `(n,)`.


# %% exercise 3 tags=["raises-exception"]
def weighted(Yhat, Y, s):
    return ...


# %% check 3
@exercise(3)
def check_3():
    Yhat, s = rng.normal(size=(n, q)), rng.uniform(0.5, 2, size=n)
    true = slope(lambda Yhat: sum(s[i] * ((Yhat[i] - Y[i]) ** 2).sum() for i in range(n)) / N, Yhat)
    found = weighted(Yhat.copy(), Y.copy(), s.copy())
    expect(same(found, true), "row i has the weight s[i] in all its columns: which shape must s have for that?")


# %% [markdown]
# ## À lire ensuite
#
# - `docs/derivations.md` : toutes ces formules sur une page, chacune avec le test qui la vérifie en arithmétique
#   exacte.
# - `minigrad/ops/linalg.py` et `minigrad/ops/loss.py` : cherchez-y `linear` et `mse_loss`.
