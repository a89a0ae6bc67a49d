"""A layered layout: nodes in rows, edges from row to row, few crossings. For the drawing and the explorer.

After Sugiyama, Tagawa and Toda (1981): a row for each node by its longest path; a chain of points for an edge that
skips rows (one that skips many goes straight: a weight that each of n steps uses would have n² points); the order in
each row by the mean place of neighbours, sweep after sweep, the best of them kept; then x, where each point is as near
to its neighbours as the order allows: a least-squares problem that pooling adjacent violators solves exactly.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

Point = tuple[float, float]
Neighbours = list[list[int]]

SWEEPS = 16  # down and up; few graphs improve after half of them
GAP = 24.0  # between two nodes of a row, and beside an edge that passes through it
SOURCE = 0.001  # how little a node that was made from nothing counts: the chain of results stays straight
LONG = 60  # an edge that skips more rows goes straight, behind what is in its way
STRAIGHT = 8.0  # how much more a passing edge wants to be straight than a node wants to be central


class Layout(NamedTuple):
    """
    Attributes:
        width, height: of the whole.
        places: for each node, where its middle is.
        routes: for each edge, the points that it goes through, from the lower side of one node to the upper side of
            the other.
    """

    width: float
    height: float
    places: list[Point]
    routes: list[list[Point]]


def layered(sizes: Sequence[Point], edges: Sequence[tuple[int, int]], between: float = 46.0) -> Layout:
    """Lay out a graph whose edges go from a smaller number to a larger one.

    Args:
        sizes: for each node, its width and height.
        edges: pairs of nodes; a pair may occur twice.
        between: the height between two rows.

    >>> layered([(40, 20), (40, 20), (40, 20)], [(0, 2), (1, 2)]).places
    [(20.0, 10.0), (84.0, 10.0), (52.0, 76.0)]
    """
    if not sizes:
        return Layout(0.0, 0.0, [], [])
    row, widths = rows_of(len(sizes), edges), [float(width) for width, _ in sizes]
    chains = []
    for a, b in edges:
        skipped = range(row[a] + 1, row[b]) if row[b] - row[a] <= LONG else ()
        passing = range(len(widths), len(widths) + len(skipped))
        widths += [0.0] * len(passing)
        row += skipped
        chains.append([a, *passing, b])
    above: Neighbours = [[] for _ in widths]
    below: Neighbours = [[] for _ in widths]
    for chain in chains:
        for a, b in pairwise(chain) if row[chain[1]] == row[chain[0]] + 1 else ():
            below[a].append(b)
            above[b].append(a)
    rows = ordered(row, above, below)
    weights = [1.0 if above[i] else SOURCE for i in range(len(sizes))] + [STRAIGHT] * (len(widths) - len(sizes))
    x = abscissas(rows, widths, weights, above, below)
    left = min(x[i] - widths[i] / 2 for i in range(len(widths)))
    right = max(x[i] + widths[i] / 2 for i in range(len(widths)))
    heights = [max((sizes[i][1] for i in members if i < len(sizes)), default=0.0) for members in rows]
    tops = [sum(heights[:r]) + r * between for r in range(len(rows))]

    places = [(x[i] - left, tops[row[i]] + heights[row[i]] / 2) for i in range(len(sizes))]
    routes = []
    for chain, start, end in zip(chains, ports(chains, x, sizes, 0), ports(chains, x, sizes, -1), strict=True):
        a, *inner, b = chain
        points = [(start - left, places[a][1] + sizes[a][1] / 2), (start - left, tops[row[a]] + heights[row[a]])]
        for i in inner:
            points += [(x[i] - left, tops[row[i]]), (x[i] - left, tops[row[i]] + heights[row[i]])]
        routes.append([*points, (end - left, tops[row[b]]), (end - left, places[b][1] - sizes[b][1] / 2)])
    return Layout(right - left, tops[-1] + heights[-1], places, routes)


def rows_of(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The row of each node: below all that it is made from; and what is made from nothing, just above its first use."""
    row = [0] * count
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        row[b] = max(row[b], row[a] + 1)
    first_use: dict[int, int] = {}
    for a, b in edges:
        first_use[a] = min(first_use.get(a, row[b]), row[b])
    for i in set(range(count)) - {b for _, b in edges}:
        row[i] = first_use.get(i, 1) - 1
    return row


def ordered(row: Sequence[int], above: Neighbours, below: Neighbours) -> list[list[int]]:
    """The members of each row from left to right, so that few edges cross."""
    rows: list[list[int]] = [[] for _ in range(max(row) + 1)]
    seen = set()
    stack = [i for i in reversed(range(len(row))) if not below[i]]
    while stack:  # depth first: what belongs together starts together
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            rows[row[i]].append(i)
            stack += reversed(above[i])
    best, fewest = [list(members) for members in rows], crossings(rows, below)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        place = {i: float(k) for members in rows for k, i in enumerate(members)}
        for members in rows if down else reversed(rows):
            mean = {i: sum(place[j] for j in neighbours[i]) / len(neighbours[i]) for i in members if neighbours[i]}
            members.sort(key=lambda i: mean.get(i, place[i]))
            place.update((i, float(k)) for k, i in enumerate(members))
        found = crossings(rows, below)
        if found < fewest:
            best, fewest = [list(members) for members in rows], found
        if not fewest:
            break
    return best


def crossings(rows: Sequence[Sequence[int]], below: Neighbours) -> int:
    """How many pairs of edges cross, between neighbouring rows."""
    total = 0
    for upper, lower in pairwise(rows):
        place = {i: k for k, i in enumerate(lower)}
        ends: list[int] = []  # the lower ends of the edges so far, sorted
        for i in upper:
            mine = sorted(place[j] for j in below[i])
            total += sum(len(ends) - bisect_right(ends, k) for k in mine)
            for k in mine:
                insort(ends, k)
    return total


def abscissas(
    rows: Sequence[Sequence[int]],
    widths: Sequence[float],
    weights: Sequence[float],
    above: Neighbours,
    below: Neighbours,
) -> list[float]:
    """x for each member of each row: apart as their widths ask, and near to what they are joined with."""
    x = [0.0] * len(widths)
    offsets = []  # within a row, where each would be if all stood side by side
    for members in rows:
        at, offset = 0.0, []
        for i in members:
            offset.append(at + widths[i] / 2)
            at += widths[i] + GAP
        offsets.append(offset)
        for i, o in zip(members, offset, strict=True):
            x[i] = o - (at - GAP) / 2

    def central(others: Sequence[int]) -> float:
        return sum(weights[j] * x[j] for j in others) / sum(weights[j] for j in others)

    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        joined = [above, below][sweep % 2]
        order = range(len(rows)) if down else reversed(range(len(rows)))
        for r in order:
            members, offset = rows[r], offsets[r]
            near = [joined[i] if sweep < SWEEPS - 4 else above[i] + below[i] for i in members]
            wanted = [central(js) if js else x[i] for i, js in zip(members, near, strict=True)]
            shifts = [w - o for w, o in zip(wanted, offset, strict=True)]
            for i, shift, o in zip(members, increasing(shifts, [weights[i] for i in members]), offset, strict=True):
                x[i] = shift + o
    return x


def increasing(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The increasing sequence with the least weighted sum of squared distances from `values`.

    >>> increasing([1, 3, 2, 4], [1, 1, 1, 1])
    [1.0, 2.5, 2.5, 4.0]
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for value, weight in zip(values, weights, strict=True):
        mean, total, members = float(value), weight, 1
        while pools and pools[-1][0] > mean:
            other, heavy, many = pools.pop()
            mean, total, members = (mean * total + other * heavy) / (total + heavy), total + heavy, members + many
        pools.append((mean, total, members))
    return [mean for mean, _, members in pools for _ in range(members)]


def ports(chains: Sequence[Sequence[int]], x: Sequence[float], sizes: Sequence[Point], end: int) -> list[float]:
    """Where each edge leaves (end 0) or enters (end -1) its node: side by side, in the order they come from."""
    of_node: dict[int, list[int]] = {}
    for e, chain in enumerate(chains):
        of_node.setdefault(chain[end], []).append(e)
    found = [0.0] * len(chains)
    for node, es in of_node.items():
        es.sort(key=lambda e: (x[chains[e][-2 if end else 1]], e))
        room = sizes[node][0] * 0.6 / len(es)
        for k, e in enumerate(es):
            found[e] = x[node] + (k - (len(es) - 1) / 2) * min(room, 36.0)
    return found
