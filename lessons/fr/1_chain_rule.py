# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. La règle de la chaîne sur une bande
#
# À la fin de cette leçon, vous saurez
#
# - dériver un petit programme à la main, ligne par ligne, de la dernière à la première ;
# - écrire une bande qui le fait à votre place, en une page de Python ;
# - expliquer pourquoi les gradients s'ajoutent là où une valeur sert deux fois, et pourquoi le parcours se fait à
#   rebours.
#
# Il vous faut Python et la dérivée d'un produit. Le code est celui de la version anglaise, commentaires compris ; seule
# la cellule suivante s'y ajoute.

# %% langue
import os

os.environ["MINIGRAD_LANG"] = "fr"  # les vérifications répondent en français

# %% [markdown]
# ## Un programme de quatre lignes
#
# À partir de $x = 3$, on veut prédire $y = 4$ par une droite de pente $w$ et d'ordonnée à l'origine $b$. Le carré de
# l'erreur est la *perte* $L$ (*loss*). Quatre opérations suffisent pour la calculer :

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
# De combien $L$ varie-t-elle quand $w$ varie un peu ? Prise seule, chaque ligne se dérive facilement, par exemple
# $\partial L / \partial e = 2e$. La règle de la chaîne multiplie ces dérivées : si $v$ n'intervient dans $L$ qu'à
# travers $u$, alors
#
# $$\frac{\partial L}{\partial v} = \frac{\partial L}{\partial u} \cdot \frac{\partial u}{\partial v}.$$
#
# La dérivée de la perte par rapport à $v$ s'appelle le *cotangent* de $v$ ; dans le code, c'est `dv`. Pour connaître
# `dv`, il faut d'abord `du`. On parcourt donc le programme de la dernière ligne à la première, et chaque ligne transmet
# à ses entrées le cotangent de son résultat :

# %%
dL = 1.0  # L changes with L one to one
de = dL * 2 * e  # because L = e**2
dp, dy = de * 1, de * -1  # because e = p - y
dt, db = dp * 1, dp * 1  # because p = t + b
dw, dx = dt * x, dt * w  # because t = w * x

print(f"dw = {dw}, dx = {dx}, db = {db}, dy = {dy}")
assert (dw, dx, db, dy) == (18, 12, 6, -6)

# %% [markdown]
# Est-ce exact ? Une dérivée peut toujours se mesurer : on déplace $w$ un peu dans les deux sens, et on regarde ce que
# fait $L$.


# %%
def loss(w, x, b, y):
    return (w * x + b - y) ** 2


h = 1e-6
measured = (loss(w + h, x, b, y) - loss(w - h, x, b, y)) / (2 * h)

print(f"measured: {measured:.6f}, by the chain rule: {dw}")
assert abs(measured - dw) < 1e-6

# %% [markdown]
# ## Le programme s'inscrit lui-même sur une bande
#
# Pour ce calcul à la main, il a fallu savoir deux choses de chaque ligne : quelle opération elle effectue, et sur
# quelles entrées. Chaque opération inscrit donc une ligne dans une liste pendant qu'elle calcule. Cette liste est la
# *bande* (*tape*).
#
# D'abord la table des opérations. À chacune correspondent deux fonctions. L'une calcule. L'autre est sa *règle* : elle
# prend le cotangent `g` du résultat, ainsi que les entrées, et renvoie un tuple avec un nombre pour chaque entrée. Ce
# nombre est ce qui est transmis à l'entrée : une dérivée apprise au lycée, multipliée par `g`. Nous l'appelons une
# *partielle* (*partial*).


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
# Un `Number` est une valeur qui se souvient de deux choses : le nom de l'opération qui l'a produite, et ses entrées. Un
# nombre donné n'a ni l'un ni les autres. Python appelle `__mul__` là où l'on écrit `a * b`, et de même `__add__` et
# `__sub__`. Chacune de ces méthodes demande à `record` de calculer, et d'inscrire le résultat sur la bande.


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
# Le parcours (*sweep*) va de la fin de la bande à son début. Au départ, le cotangent de $L$ vaut 1, et tous les autres
# 0 : `dict.fromkeys(tape, 0.0)` est un dictionnaire qui a un 0 pour chaque ligne. À chaque ligne, la règle renvoie les
# partielles, la première pour la première entrée, et ainsi de suite. Chacune *s'ajoute* à ce que son entrée a déjà.


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
# La rétropropagation tient tout entière dans ces lignes. Voici les quatre lignes du début, cette fois sur la bande :

# %%
tape.clear()
w, x, b, y = Number(2.0), Number(3.0), Number(1.0), Number(4.0)
L = record("square", w * x + b - y)
cotangent = backward(L)

for v in tape:
    print(f"{v.operation or 'given':10} {v.value:5}   cotangent {cotangent[v]:5}")
assert [cotangent[v] for v in (w, x, b, y)] == [18, 12, 6, -6]

# %% [markdown]
# ## Une valeur qui sert deux fois
#
# Dans $f = u \cdot u + u$, trois chemins mènent de $f$ à $u$ : un par chaque facteur, un par la somme. Déplacer $u$
# déplace $f$ le long de tous à la fois. Le cotangent de $u$ est donc la *somme sur les chemins* : $u + u + 1$. C'est à
# cela que sert le `+=` dans `backward`.

# %%
tape.clear()
u = Number(3.0)
cotangent = backward(u * u + u)

print(cotangent[u])
assert cotangent[u] == 3 + 3 + 1

# %% [markdown]
# Les chemins peuvent être nombreux. Doublez un nombre soixante fois : $2^{60}$ chemins y ramènent ; à un milliard par
# seconde, il faudrait 36 ans pour les suivre. Le parcours, lui, ne visite chaque ligne de la bande qu'une fois. Une
# fois suffit, parce qu'il va à rebours : quand il atteint une ligne, toutes celles qui utilisent son résultat ont déjà
# été visitées, et son cotangent est complet.

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
# ## minigrad fait la même chose
#
# Un `Tensor` est notre `Number`, avec un tableau à la place d'un nombre. Les opérations sont des fonctions de minigrad,
# qui s'inscrivent d'elles-mêmes sur la bande. Les fonctions de NumPy en font autant quand elles rencontrent un Tensor :
# `np.square` est alors `minigrad.square`. D'un Tensor avec `requires_grad=True`, on veut le cotangent. Le parcours le
# met dans `grad`.

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
# La première partie de ce tableau est notre bande. minigrad a donné un nom à ce qui n'en avait pas : la ligne 4 est
# `t4`, notre `t`. La colonne `kept` indique la mémoire que chaque ligne garde, parce que le parcours en aura besoin.
#
# La seconde partie est notre parcours, une ligne par étape. Une barre sur un nom désigne son cotangent : `t̅4̅` est ce
# que nous appelions `dt`. La colonne `gradient` est le cotangent obtenu jusque-là. `adds` est rempli quand une étape
# s'ajoute à un cotangent déjà présent, comme pour une valeur qui sert deux fois. `undone` concerne les tableaux : la
# leçon 4 y défait la diffusion (*broadcasting*).
#
# Le même calcul en image :

# %%
minigrad.draw(L)

# %% [markdown]
# ## Exercices
#
# Remplacez chaque `...`, puis exécutez la cellule qui suit.
#
# **Exercice 1.** $f = (a + b) \cdot a$ avec $a = 2$ et $b = 3$. Quels sont les cotangents de $a$ et de $b$ ?
# Trouvez-les à la main : posez $s = a + b$, puis remontez.

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
# **Exercice 2.** Ajoutez à notre bande une cinquième opération, $e^a$. Sa ligne est une paire comme celles de
# `OPERATIONS` : ce qu'elle calcule (avec `math.exp`), et sa règle, qui renvoie un tuple d'une seule partielle.

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
# **Exercice 3.** Un programme de trois lignes : `p = a * b`, `q = p + a`, `r = p * q`, avec $a = 2$ et $b = 3$. Donnez
# la liste des contributions de tous les chemins de $r$ à $a$ : pour chaque chemin, le produit des dérivées rencontrées.

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
# ## À lire ensuite
#
# - `minigrad/backprop.py` : `record`, `tape` et `sweep` sont les trois éléments que vous venez de voir, pour des
#   tableaux.
# - `minigrad/ops/elementwise.py` : la table des opérations. Cherchez-y `multiply`, et comparez.
