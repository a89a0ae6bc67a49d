# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8. Ce qui peut mal tourner pendant l'entraînement
#
# À la fin de cette leçon, vous saurez
#
# - observer un gradient en chemin dans un réseau, avec des *hooks* (des « crochets ») ;
# - reconnaître des gradients qui s'évanouissent, des unités mortes, une perte qui explose, une mauvaise normalisation
#   et des gradients qui s'accumulent ;
# - trouver la ligne fautive, avec `strict`, `check` et l'explorateur.
#
# Il vous faut les leçons 3 et 5b. Un programme qui contient une telle erreur s'exécute, et affiche une perte. Mais il
# apprend mal, ou pas du tout. Chaque section commet donc l'erreur, la regarde, et la répare. Les données sont les
# chiffres de la leçon 5b.

# %% langue
import os

os.environ["MINIGRAD_LANG"] = "fr"  # les vérifications répondent en français

# %%
import warnings

import numpy as np
from sklearn.datasets import load_digits

import minigrad
from minigrad import Tensor, nn, optim
from minigrad.lesson import answered, exercise, expect, same

table = load_digits()
order = np.random.default_rng(0).permutation(len(table.data))
images, labels = table.data[order] / 16, table.target[order]
test_images, test_labels = images[:360], labels[:360]
images, labels = images[360:], labels[360:]


def length(array):
    """The root mean square of the entries."""
    return np.sqrt((np.asarray(array) ** 2).mean())


# %% [markdown]
# ## Des gradients qui s'évanouissent
#
# Dix couches, l'une derrière l'autre. Le cotangent les traverse toutes, et chacune le multiplie : par ses poids, et par
# la dérivée de son activation. Si chacune le rend quatre fois plus petit, il en arrive un millionième à la première
# couche.
#
# Un *hook* permet de regarder. `h.register_hook(f)` appelle `f(g)` avec le cotangent de `h` dès qu'il est complet, au
# milieu du parcours. Ici, il note la longueur du cotangent, couche par couche :


# %%
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


def cotangents(bend, size, layers=10, skip=False):
    """The length of the cotangent of each layer, the first one first."""
    rng = np.random.default_rng(0)
    found = []
    h = images[:100]
    for _ in range(layers):
        W = Tensor(rng.normal(size=(64, 64)) * size, requires_grad=True)
        new = bend(h @ W)
        h = h + new if skip else new
        h.register_hook(lambda g: found.append(length(g)))
    scores = h @ (rng.normal(size=(64, 10)) / 8)
    nn.CrossEntropyLoss()(scores, labels[:100]).backward()
    return found[::-1]


for name, bend, size in (("sigmoid", sigmoid, 1 / 8), ("tanh", np.tanh, 1 / 8), ("relu", relu, np.sqrt(2) / 8)):
    found = cotangents(bend, size)
    print(f"{name:8}", " ".join(f"{g:.0e}" for g in found))
    assert (found[0] < 1e-4 * found[-1]) == (name == "sigmoid")

# %% [markdown]
# La dérivée de la sigmoïde est $y (1 - y)$, au plus $1/4$. Dix d'entre elles font au plus $4^{-10}$, environ un
# millionième. La dérivée de tanh vaut 1 en 0, et celle de relu vaut 1 partout où il laisse passer quelque chose.
#
# Les poids comptent autant. Soit une couche à $n$ entrées. Une somme de $n$ termes indépendants est $\sqrt n$ fois plus
# longue que l'un d'eux. Des poids de taille $1/\sqrt n$ conservent donc la longueur, ici $1/8$. Avec la moitié, elle
# s'évanouit de nouveau ; avec le double, elle explose :

# %%
for factor in (0.5, 1, 2):
    found = cotangents(relu, factor * np.sqrt(2) / 8)
    print(f"weights times {factor:3}: the first layer gets {found[0] / found[-1]:8.1e} of what the last one gets")
    assert 0.1 * factor**9 < found[0] / found[-1] < 10 * factor**9

found = cotangents(sigmoid, 1 / 8, skip=True)
print(f"sigmoid, and h + f(h) in place of f(h): {found[0] / found[-1]:.1e}")
assert found[0] > 0.5 * found[-1]

# %% [markdown]
# La dernière ligne est le remède des réseaux profonds, le GPT de la leçon 7 compris. Avec `h + f(h)`, la dérivée est
# $1 + f'$ : il reste toujours un chemin sur lequel rien ne se perd.

# %% [markdown]
# ## Des unités mortes
#
# Un relu transmet un cotangent là où son entrée est positive. Si l'entrée d'une unité est négative pour *toutes* les
# images, l'unité n'en reçoit pas. Ses poids ne changent donc jamais, et elle reste ainsi : elle est morte. Quelques pas
# beaucoup trop longs y suffisent.


# %%
def network(seed=0):
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(64, 64, rng=rng), nn.ReLU(), nn.Linear(64, 10, rng=rng))


def train(model, lr, epochs=5, seed=0, forget=False):
    """SGD with batches of 32; the losses of all steps."""
    rng = np.random.default_rng(seed)
    optimizer = optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(images)), 45):
            if not forget:
                optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def right(model):
    with minigrad.no_grad():
        return (model(test_images).numpy().argmax(axis=1) == test_labels).mean()


for lr in (0.2, 20.0):
    model = network()
    train(model, lr)
    with minigrad.no_grad():
        h = model[1](model[0](images)).numpy()
    dead = (h == 0).all(axis=0)
    nn.CrossEntropyLoss()(model(images), labels).backward()
    print(f"lr {lr:4}: {dead.sum():2} of 64 units are dead, {right(model):.1%} of the test images are right")
    assert (model[0].weight.grad[dead] == 0).all()  # no gradient at all, to the last bit
    assert (dead.mean() > 0.9) == (lr == 20)

# %% [markdown]
# Les remèdes : un pas plus court, un pas plus court au début, ou une activation qui n'est jamais tout à fait plate,
# comme `nn.LeakyReLU` ou `nn.GELU`.

# %% [markdown]
# ## Une perte qui explose
#
# Quelque part, un nombre déborde et devient `inf`. Quelques opérations plus loin, c'est `nan`, et à partir de là tout
# l'est. L'endroit où on le remarque n'est pas celui où c'est arrivé. Le softmax ci-dessous est écrit sans la
# soustraction de la leçon 5b :


# %%
def careless_loss(scores, labels):
    powers = np.exp(scores)
    p = powers / powers.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(labels)), labels]).mean()


scores = Tensor(np.array([[800.0, 0.0], [1.0, 2.0]]), requires_grad=True)
with np.errstate(all="ignore"):
    loss = careless_loss(scores, [0, 1])
    loss.backward()
print("loss", loss.item(), "gradient", scores.grad.tolist())
assert np.isnan(loss.item())

# %% [markdown]
# Avec `strict`, le premier nombre qui n'est pas fini lève une exception, à l'aller (`forward`) comme au retour
# (`backward`). Le message nomme l'opération et sa ligne :

# %%
try:
    with minigrad.strict(), np.errstate(all="ignore"):
        careless_loss(scores, [0, 1])
except FloatingPointError as error:
    print(error)
    message = str(error)
else:
    raise AssertionError("nobody noticed")
assert message.startswith("exp ")

# %% [markdown]
# `strict` coûte du temps : activez-le pour le pas qui échoue. Si aucune ligne n'est fautive, c'est que le pas est trop
# long (la leçon 5 donne la borne), ou que certains lots ont un gradient bien plus long que les autres. Il faut alors le
# raccourcir : c'est l'exercice 3.

# %% [markdown]
# ## Une normalisation qui n'est plus la même
#
# La *normalisation par lot* (*batch norm*) ramène chaque unité à une moyenne de 0 et un écart type de 1, sur le lot.
# Cela aide l'entraînement. Mais une prédiction ne doit pas dépendre des autres images que l'on soumet au modèle au même
# moment. La couche entretient donc des moyennes mobiles, qui servent après l'entraînement. `model.eval()` les met en
# service. Qui l'oublie ne remarque rien, tant que les lots sont mélangés comme à l'entraînement. Soumettez maintenant
# les images d'un seul chiffre à la fois :

# %%
rng = np.random.default_rng(0)
model = nn.Sequential(nn.Linear(64, 64, rng=rng), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10, rng=rng))
train(model, 0.2)


def right_by_digit():
    with minigrad.no_grad():
        found = [model(test_images[test_labels == k]).numpy().argmax(axis=1) == k for k in range(10)]
    return np.concatenate(found).mean()


model.train()
mixed, forgotten = right(model), right_by_digit()
model.eval()
print(f"without model.eval(): {mixed:.1%} are right if the digits are mixed, {forgotten:.1%} digit by digit")
print(
    f"with model.eval():    {right(model):.1%} are right if the digits are mixed, {right_by_digit():.1%} digit by digit"
)
assert forgotten < 0.6
assert min(mixed, right(model), right_by_digit()) > 0.9

# %% [markdown]
# Autre grand classique : préparer les images de test autrement que celles de l'entraînement. Ce modèle apprend sur des
# images de moyenne 0 et d'écart type 1 en chaque point, ce qui est une bonne idée. Qui s'en sert doit retrancher et
# diviser par *les mêmes* nombres. Sinon, le modèle rencontre des images d'une espèce qu'il n'a jamais vue :

# %%
mean, deviation = images.mean(axis=0), images.std(axis=0) + 0.01


def standard(pixels):
    return (pixels - mean) / deviation


model = network()
optimizer = optim.Adam(model.parameters(), lr=0.01)
for _ in range(60):
    optimizer.zero_grad()
    nn.CrossEntropyLoss()(model(standard(images[:500])), labels[:500]).backward()
    optimizer.step()

with minigrad.no_grad():
    same_way = (model(standard(test_images)).numpy().argmax(axis=1) == test_labels).mean()
    other_way = (model(test_images).numpy().argmax(axis=1) == test_labels).mean()
print(f"{same_way:.1%} are right if they are prepared as in training, and {other_way:.1%} if not")
assert other_way < 0.9 < same_way

# %% [markdown]
# ## Des gradients qui s'accumulent
#
# `backward` *ajoute* à `grad`. C'est ce qu'il faut pour une valeur qui sert deux fois, et il fait de même d'un appel à
# l'autre. Sans `zero_grad`, chaque pas suit la somme de tous les gradients jusque-là :

# %%
model = network()
losses = [nn.CrossEntropyLoss()(model(images[:100]), labels[:100]) for _ in range(2)]
losses[0].backward()
once = model[0].weight.grad.copy()
losses[1].backward()
assert np.allclose(model[0].weight.grad, 2 * once)

for forget in (False, True):
    model = network()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        losses = train(model, 0.2, forget=forget)
    every = " ".join(f"{loss:.1f}" for loss in losses[::15])
    print(f"{'without' if forget else 'with'} zero_grad: {right(model):.1%} are right; every 15th loss: {every}")
    assert len(said) == forget
print("the optimizer:", said[0].message)
assert right(model) < 0.9

# %% [markdown]
# L'optimiseur l'a remarqué, et le dit une fois.

# %% [markdown]
# ## Un `backward` faux
#
# Le dernier suspect est une règle. Dans ce tanh, `backward` met l'entrée à la place de la sortie :


# %%
class Tanh(minigrad.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.tanh(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (1 - x * x)


x, W = Tensor(images[:3, 20:24]), Tensor(np.random.default_rng(0).normal(size=(4, 2)), requires_grad=True)
loss = (Tanh.apply(x @ W) ** 2).sum()
minigrad.explore(loss)

# %% [markdown]
# L'explorateur avance pas à pas dans le parcours. À côté de chaque gradient, il montre le gradient numérique : allez
# jusqu'à `Tanh`, et comparez. En dehors d'un notebook, `minigrad.explore(loss).save("page.html")` l'écrit dans un
# fichier. Le vérificateur dit avec des mots ce qui ne va pas :

# %%
report = minigrad.check(Tanh, signature="()->()")
print(report.faults[0].text)
assert not report

# %% [markdown]
# ## Que regarder d'abord
#
# | ce que vous voyez | regardez | ce qui aide |
# |---|---|---|
# | la perte bouge à peine | le gradient de chaque couche, avec des hooks | d'autres poids au départ, `h + f(h)` |
# | la perte s'arrête tôt | combien d'unités sont nulles pour toutes les lignes | un autre pas, une autre activation |
# | `nan` | la première ligne qui en produit, avec `strict` | la forme stable, un pas plus court, l'écrêtage |
# | bon à l'entraînement, mauvais ensuite | ce que subissent les données, et `model.eval()` | la même préparation |
# | la perte monte et oscille | si `zero_grad` est appelé | l'appeler |
# | il apprend moins qu'il ne pourrait | `check`, et l'explorateur | la bonne règle |

# %% [markdown]
# ## Exercices
#
# **Exercice 1.** Un relu laisse passer la moitié des nombres. De quelle taille doivent être les poids d'une couche à
# `n` entrées, pour que les longueurs restent les mêmes de couche en couche ? Écrivez `spread(n)`, leur écart type.


# %% exercise 1 tags=["raises-exception"]
def spread(n):
    return ...


# %% check 1
@exercise(1)
def check_1():
    for n in (64, 400):
        size = answered(spread(n))
        expect(np.shape(size) == () and np.isrealobj(size) and size > 0, "a single positive number")
        h = rng.normal(size=(50, n))
        lengths = [length(h)]
        for _ in range(20):
            h = relu(h @ (rng.normal(size=(n, n)) * size))
            lengths.append(length(h))
        expect(0.2 < lengths[-1] / lengths[0] < 5, f"{n} wide, 20 layers: the length goes to {lengths[-1]:.1e}")


# %% [markdown]
# **Exercice 2.** Écrivez `count_dead(h)` : combien des unités sont mortes. `h` est de taille $(n, units)$, et contient
# ce que relu a fait de $n$ images.


# %% exercise 2 tags=["raises-exception"]
def count_dead(h):
    return ...


# %% check 2
@exercise(2)
def check_2():
    for units, dead in ((3, 1), (8, 5)):
        h = np.abs(rng.normal(size=(6, units)))
        h[0, :] = 0  # an image that moves nothing
        h[1:, 0] = [0, 0, 0, 0, 1e-9]  # a unit that hardly ever fires
        h[:, 1 : 1 + dead] = 0
        expect(same(count_dead(h.copy()), dead), "dead is a unit, for all the images")


# %% [markdown]
# **Exercice 3.** *L'écrêtage des gradients* (*clipping*). Écrivez `clip(gradients, most)`. Mis bout à bout, tous les
# coefficients de tous les tableaux de la liste `gradients` forment un seul long vecteur. Si sa longueur
# $\sqrt{\sum g^2}$ dépasse `most`, renvoyez des tableaux multipliés par un même facteur, de sorte qu'elle soit `most`.
# Sinon, renvoyez-les tels quels.


# %% exercise 3 tags=["raises-exception"]
def clip(gradients, most):
    return ...


# %% check 3
@exercise(3)
def check_3():
    gradients = [rng.normal(size=(3, 2)), rng.normal(size=4)]
    whole = np.sqrt(sum((g**2).sum() for g in gradients))
    for most, hint in ((2 * whole, "what is short enough stays as it is"), (whole / 10, "one factor for all of them")):
        true = tuple(g * min(1, most / whole) for g in gradients)
        expect(same(clip([g.copy() for g in gradients], most), true), hint)


# %% [markdown]
# ## À lire ensuite
#
# - `minigrad/strict.py` : ce que le mode prudent remarque d'autre, comme une écriture dans un tableau dont la bande se
#   souvient.
# - `minigrad/engine/hooks.py` : ce qu'un hook peut faire ; il peut aussi remplacer le cotangent.
# - `minigrad/nn/utils.py` : l'écrêtage de l'exercice 3, sous le nom que lui donne PyTorch.
