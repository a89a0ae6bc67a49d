# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5b. Un réseau qui lit des chiffres
#
# À la fin de cette leçon, vous saurez
#
# - transformer des scores en probabilités, et dire à quel point elles sont fausses : softmax et entropie croisée ;
# - construire un réseau à couche cachée, l'entraîner, et le juger sur des images qu'il n'a jamais vues ;
# - dire à quoi sert la couche cachée, et pourquoi elle ne doit ni être linéaire ni partir de zéro.
#
# Il vous faut les leçons 1 et 2. La leçon 5 aide : la boucle est sa descente par mini-lots. Les données sont 1 797
# chiffres manuscrits fournis avec scikit-learn, chacun de 8 points sur 8.

# %% langue
import os

os.environ["MINIGRAD_LANG"] = "fr"  # les vérifications répondent en français

# %% [markdown]
# ## Les données

# %%
import numpy as np
from sklearn.datasets import load_digits

import minigrad
from minigrad import nn, optim
from minigrad.lesson import exercise, expect, same

table = load_digits()
order = np.random.default_rng(0).permutation(len(table.data))
train, test = order[360:], order[:360]
images, labels = table.data[train] / 16, table.target[train]  # each entry from 0, white, to 1, black
test_images, test_labels = table.data[test] / 16, table.target[test]

for row in images[0].reshape(8, 8):
    print("".join(" .:oO#"[int(5 * entry)] * 2 for entry in row))
print(f"a {labels[0]}; {len(images)} images to learn from, {len(test_images)} for the test")
assert images.shape == (1437, 64)

# %% [markdown]
# ## Des scores à la perte
#
# Pour chaque image, un modèle donne dix *scores*, un par chiffre. Le plus grand est sa réponse. Pour apprendre, il faut
# une perte qui dise à quel point les scores sont faux, et qui ait une dérivée.
#
# Le *softmax* fait des scores $s$ des probabilités : il prend $e^{s_k}$, qui est positif, et divise par la somme, de
# sorte que les dix fassent 1 en tout :
#
# $$p_k = \frac{e^{s_k}}{\sum_l e^{s_l}}.$$
#
# L'*entropie croisée* (*cross-entropy*) est $-\log p_k$ pour le bon chiffre $k$ : nulle quand le modèle est sûr de lui
# et a raison, grande quand il est sûr de lui et a tort. La perte en est la moyenne sur les images.
#
# Dans le code, on retranche d'abord de chaque ligne son plus grand score. Cela divise le numérateur et le dénominateur
# par le même nombre : rien ne change, et aucune exponentielle ne déborde.


# %%
def log_softmax(scores):
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(scores, labels):
    return -log_softmax(scores)[np.arange(len(labels)), labels].mean()


scores = np.array([[2.0, 0.0, 0.0]])
print("probabilities", np.exp(log_softmax(scores))[0].round(3))
first, last = cross_entropy(scores, [0]), cross_entropy(scores, [2])
print(f"loss if the first is right: {first:.3f}, if the last is: {last:.3f}")
assert np.allclose(np.exp(log_softmax(scores)).sum(axis=1), 1)
assert first < last

# %% [markdown]
# ## D'abord un modèle linéaire
#
# Le modèle le plus simple est celui de la leçon 2, avec dix sorties : `x @ W + b`. C'est lui qu'il faudra battre.
# `descend` est la boucle de la leçon 5. Elle prend un modèle quelconque, et une liste quelconque de paramètres.


# %%
def accuracy(scores, labels):
    return (np.asarray(scores).argmax(axis=1) == labels).mean()


def descend(model, start, lr=0.2, epochs=25, seed=0):
    """Mini-batch descent on copies of the arrays in `start`; the parameters it ends with, and the last loss."""
    rng = np.random.default_rng(seed)
    parameters = [minigrad.Tensor(array.copy(), requires_grad=True) for array in start]
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(images)), 45):
            loss = cross_entropy(model(images[rows], *parameters), labels[rows])
            loss.backward()
            with minigrad.no_grad():
                for parameter in parameters:
                    parameter -= lr * parameter.grad
                    parameter.zero_grad()
    return [parameter.numpy() for parameter in parameters], loss.item()


def linear(x, W, b):
    return x @ W + b


found, _ = descend(linear, [np.zeros((64, 10)), np.zeros(10)])
linear_right = accuracy(linear(test_images, *found), test_labels)
print(f"linear model: {linear_right:.1%} of the test images")
assert linear_right > 0.9

# %% [markdown]
# ## Une couche cachée
#
# Une *couche* est une application linéaire suivie d'une *fonction d'activation*, qui fait un coude. La nôtre est
# `relu`, qui garde ce qui est positif et met 0 pour le reste. Les valeurs qui en sortent sont les *unités cachées*.
# Chacune répond à un certain motif d'encre. Une seconde application linéaire en tire les dix scores.
#
# $$h = \max(x W_1 + b_1,\; 0), \qquad s = h W_2 + b_2.$$
#
# Rien d'autre n'est nouveau. La bande enregistre ces lignes comme toutes les autres, et la règle de la chaîne remonte à
# travers les deux couches.


# %%
def network(x, W1, b1, W2, b2):
    h = np.maximum(x @ W1 + b1, 0)
    return h @ W2 + b2


def random_start(hidden, seed=0):
    rng = np.random.default_rng(seed)
    W1 = rng.normal(size=(64, hidden)) * np.sqrt(2 / 64)
    W2 = rng.normal(size=(hidden, 10)) * np.sqrt(2 / hidden)
    return [W1, np.zeros(hidden), W2, np.zeros(10)]


found, loss = descend(network, random_start(64))
scores = network(test_images, *found)
network_right = accuracy(scores, test_labels)
print(
    f"network: {accuracy(network(images, *found), labels):.1%} of the training images, {network_right:.1%} of the test"
)
assert network_right > linear_right
assert network_right > 0.96

# %% [markdown]
# Le nombre qui compte est celui du test. Sur les images qui ont servi à l'entraînement, le réseau est presque parfait,
# et cela ne dit pas grand-chose. Voici les chiffres qu'il prend pour d'autres :

# %%
wrong = np.flatnonzero(scores.argmax(axis=1) != test_labels)
for i in wrong:
    p = np.exp(log_softmax(scores[i : i + 1]))[0]
    answer, truth = p.argmax(), test_labels[i]
    print(f"a {truth} taken for a {answer}: it gave the {answer} {p[answer]:.0%} and the {truth} {p[truth]:.0%}")
try:
    import matplotlib.pyplot as plt
except ImportError:
    print("no picture: matplotlib is not installed, and nothing below needs it")
else:
    figure, axes = plt.subplots(1, len(wrong), figsize=(9, 1.4), layout="constrained")
    for place, i in enumerate(wrong):
        axes[place].imshow(test_images[i].reshape(8, 8), cmap="Greys")
        axes[place].set(title=f"{scores[i].argmax()}, no: {test_labels[i]}", xticks=[], yticks=[])
assert len(wrong) == round((1 - network_right) * len(test_labels))

# %% [markdown]
# ## Pourquoi il lui faut ce coude
#
# Sans `relu`, la couche cachée ne servirait à rien. Deux applications linéaires à la suite n'en font qu'une :
# $(x W_1) W_2 = x (W_1 W_2)$. Quel que soit le nombre de couches, le modèle reste le modèle linéaire.

# %%
W1, b1, W2, b2 = random_start(64, seed=1)
two = (images @ W1 + b1) @ W2 + b2
one = images @ (W1 @ W2) + (b1 @ W2 + b2)
assert np.allclose(two, one)
print("two linear layers are one")

# %% [markdown]
# ## Pourquoi il ne doit pas partir de zéro
#
# Le modèle linéaire partait de zéro. Le réseau ne le peut pas. Si tous les poids sont nuls, toutes les unités cachées
# sont nulles, et le cotangent de chacune est nul aussi : aucun gradient n'arrive aux poids, et rien ne bouge, sauf le
# dernier biais.
#
# Des poids égaux ne valent guère mieux. Toutes les unités cachées calculent alors la même chose, reçoivent le même
# gradient, et restent égales pour toujours : soixante-quatre unités qui n'en font qu'une. Des nombres aléatoires les
# rendent différentes.

# %%
zero = [np.zeros_like(array) for array in random_start(64)]
equal = [np.full_like(array, 0.1) for array in random_start(64)]
for name, start in (("zero", zero), ("equal", equal), ("random", random_start(64))):
    ended, _ = descend(network, start, epochs=3)
    columns = len(np.unique(ended[0].round(12), axis=1).T)
    right = accuracy(network(test_images, *ended), test_labels)
    print(f"start {name:6}: {columns:2} different hidden units, {right:.1%} of the test images")
    assert columns == (64 if name == "random" else 1)
    assert (right > 0.8) == (name == "random")

# %% [markdown]
# ## La même chose avec `minigrad.nn`
#
# Les couches, les pertes et les optimiseurs existent tout faits, sous les noms qu'ils portent dans PyTorch. Adam donne
# à chaque paramètre une longueur de pas à lui.

# %%
rng = np.random.default_rng(0)
model = nn.Sequential(nn.Linear(64, 64, rng=rng), nn.ReLU(), nn.Linear(64, 10, rng=rng))
optimizer = optim.Adam(model.parameters(), lr=0.01)
for _ in range(10):
    for rows in np.array_split(rng.permutation(len(images)), 45):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(images[rows]), labels[rows]).backward()
        optimizer.step()

with minigrad.no_grad():
    right = accuracy(model(test_images).numpy(), test_labels)
print(model)
print(f"{sum(p.size for p in model.parameters()):,} parameters, {right:.1%} of the test images")
assert right > 0.95

# %% [markdown]
# ## Exercices
#
# **Exercice 1.** Un réseau qui ne sait rien donne le même score aux dix chiffres. Quelle est sa perte ? Une première
# perte qui est loin de ce nombre trahit une erreur avant le premier pas. Donnez le nombre, ou une ligne de code qui le
# calcule.

# %% exercise 1 tags=["raises-exception"]
first_loss = ...


# %% check 1
@exercise(1)
def check_1():
    knows_nothing = cross_entropy(np.zeros((len(labels), 10)), labels)
    expect(same(first_loss, knows_nothing, rtol=2e-3), "what is the probability of the right digit, and its -log?")


# %% [markdown]
# **Exercice 2.** Le gradient de l'entropie croisée est court. En notant $t$ la ligne qui vaut 1 au bon chiffre et 0
# ailleurs, la dérivée de $-\log p_k$ par rapport aux scores est $p - t$. Établissez-le. Écrivez ensuite le gradient de
# la *moyenne* sur toutes les lignes, en NumPy, pour `scores` de taille $(n, c)$.


# %% exercise 2 tags=["raises-exception"]
def cross_entropy_gradient(scores, labels):
    return ...


# %% check 2
@exercise(2)
def check_2():
    for n, c in ((5, 3), (1, 4), (7, 10)):
        s = minigrad.Tensor(3 * rng.normal(size=(n, c)), requires_grad=True)
        k = rng.integers(c, size=n)
        cross_entropy(s, k).backward()
        found = cross_entropy_gradient(s.numpy().copy(), k.copy())
        hint = (
            f"for {n} rows and {c} classes: it has the shape of the scores, each row adds up to 0, and mean means 1/n"
        )
        expect(same(found, s.grad), hint)


# %% [markdown]
# **Exercice 3.** Et maintenant la rétropropagation dans tout le réseau, à la main. `g` est le cotangent des scores, de
# taille $(n, 10)$. Renvoyez les gradients de `W1`, `b1`, `W2` et `b2`. La règle de `relu` : transmettre le cotangent là
# où l'entrée était positive, et 0 ailleurs.


# %% exercise 3 tags=["raises-exception"]
def network_backward(g, x, W1, b1, W2, b2):
    return ...


# %% check 3
@exercise(3)
def check_3():
    x, g = rng.normal(size=(5, 64)), rng.normal(size=(5, 10))
    arrays = [rng.normal(size=array.shape) for array in random_start(7)]
    parameters = [minigrad.Tensor(array, requires_grad=True) for array in arrays]
    network(x, *parameters).backward(g)
    found = network_backward(g.copy(), x.copy(), *(array.copy() for array in arrays))
    hint = "go back line by line: from the scores to W2, b2 and h, through relu, then to W1 and b1, as in lesson 2"
    expect(same(found, tuple(p.grad for p in parameters)), hint)


# %% [markdown]
# ## À lire ensuite
#
# - `minigrad/nn/layers.py` : les couches ne sont que de simples utilisatrices de la bande. Cherchez-y `Linear` et
#   `ReLU` ; `Conv2d` y est aussi.
# - `minigrad/ops/loss.py` : `cross_entropy` en une seule opération. Sa règle est la formule de l'exercice 2.
# - `python examples/digits.py conv` entraîne un réseau de convolution sur les mêmes chiffres.
