"""Exact search against float64 arithmetic in numpy: the same keys, order and bits of every distance.

A thousand random cases: rows in memory and in several sealed segments, keys of both types, ties and equal rows,
filters, deletes, k beyond the rows, and collections that were closed and opened again. VSS_ORACLE_SEED moves to others.
"""

import os

import numpy as np
import pytest

import vss

CASES = 1000
PARTS = 20
SEED = int(os.environ.get("VSS_ORACLE_SEED", "1"))


def lanes(products):
    """Sum [n][dim] float64 as the library defines it: component i to lane i % 8, in order, then pairwise."""
    n, dim = products.shape
    padded = np.zeros((n, -(-dim // 8) * 8))
    padded[:, :dim] = products
    sums = np.zeros((n, 8))
    for start in range(0, padded.shape[1], 8):
        sums += padded[:, start:start + 8]
    pairs = sums[:, 0::2] + sums[:, 1::2]
    return (pairs[:, 0] + pairs[:, 1]) + (pairs[:, 2] + pairs[:, 3])


def distances(metric, rows, query):
    a, b = rows.astype(np.float64), query.astype(np.float64)[None, :]
    if metric == "l2":
        found = lanes((a - b) ** 2)
    elif metric == "ip":
        found = lanes(a * b)
    else:
        found = lanes(a * b) / (np.sqrt(lanes(a * a)) * np.sqrt(lanes(b * b)))
    return found.astype(np.float32) + np.float32(0)


def order_key(metric, distance, key):
    return (distance if metric == "l2" else -distance, key.encode() if isinstance(key, str) else key)


def expected(metric, model, query, k, passes):
    """model: {key: (vector, group)}."""
    live = [(key, vector) for key, (vector, group) in model.items() if passes(group)]
    if not live:
        return []
    found = distances(metric, np.stack([vector for _, vector in live]), query)
    hits = [(key, distance) for (key, _), distance in zip(live, found)]
    return sorted(hits, key=lambda hit: order_key(metric, float(hit[1]), hit[0]))[:k]


FILTERS = [
    (None, lambda group: True), ("g < 3", lambda group: group is not None and group < 3),
    ("g == 1 or g == 5", lambda group: group in (1, 5)), ("g is null", lambda group: group is None),
    ("not (g > 2)", lambda group: group is not None and not group > 2), ("g > 100", lambda group: False),
]


class Case:
    """One random collection and what it should hold."""

    def __init__(self, rng, path):
        self.rng = rng
        self.path = path
        self.metric = str(rng.choice(["l2", "ip", "cosine"]))
        self.dim = int(rng.integers(1, 71))
        self.texts = bool(rng.integers(2))
        self.kind = str(rng.choice(["smooth", "coarse", "cancelling"]))
        self.model = {}
        self.db = vss.open(path)
        self.col = self.db.create_collection("c", [
            {"name": "key", "type": "string" if self.texts else "int64", "primary": True},
            {"name": "g", "type": "int32", "nullable": True},
            {"name": "v", "type": "vector<f32>", "dim": self.dim, "metric": self.metric}])

    def vectors(self, n):
        if self.kind == "coarse":  # few different values: many ties
            made = self.rng.integers(-1, 2, (n, self.dim)).astype(np.float32)
        elif self.kind == "cancelling":  # inner products with ones are what float64 lost: the order of adding shows
            made = (self.rng.standard_normal((n, self.dim)) * 10 ** self.rng.uniform(-6, 6, (n, self.dim)))
            made = made.astype(np.float32)
            half = self.dim // 2
            made[:, half:2 * half] = -made[:, self.rng.permutation(half)]
        else:
            made = (self.rng.standard_normal((n, self.dim)) * 10.0 ** self.rng.integers(-3, 4)).astype(np.float32)
        if self.metric == "cosine":
            made[~made.any(axis=1), 0] = 1
        if n > 1 and self.rng.integers(2):  # equal rows
            made[self.rng.integers(n, size=n // 2)] = made[0]
        return made

    def fresh_keys(self, n):
        numbers = self.rng.permutation(np.setdiff1d(np.arange(-400, 400), [self.number(key) for key in self.model]))[:n]
        return [self.name(int(number)) for number in numbers]

    def name(self, number):
        return f"{'é' if number % 5 == 0 else 'k'}{number}" if self.texts else number

    def number(self, key):
        return int(key[1:]) if self.texts else key

    def insert(self, n):
        keys, vectors = self.fresh_keys(n), self.vectors(n)
        groups = [None if group == 7 else int(group) for group in self.rng.integers(0, 8, n)]
        self.col.insert({"key": keys, "g": groups, "v": vectors})
        self.model.update(zip(keys, zip(vectors, groups)))

    def delete(self):
        if self.rng.integers(3) == 0:
            assert self.col.delete(filter="g == 2") == sum(group == 2 for _, group in self.model.values())
            self.model = {key: row for key, row in self.model.items() if row[1] != 2}
            return
        gone = [key for key in self.model if self.rng.random() < 0.2]
        assert self.col.delete(gone + self.fresh_keys(1)) == len(gone)
        for key in gone:
            del self.model[key]

    def reopen(self):
        self.db.close()
        self.db = vss.open(self.path)
        self.col = self.db.collection("c")

    def fill(self):
        rows = int(self.rng.integers(0, 301))
        parts = int(self.rng.integers(1, 5))
        for part in range(parts):
            self.insert(rows // parts + (rows % parts if part == 0 else 0))
            if self.rng.random() < 0.5:
                self.delete()
            if self.rng.random() < 0.6:
                self.col.flush()
        if self.rng.random() < 0.15:
            self.reopen()
        assert len(self.col) == len(self.model)

    def query(self):
        n = int(self.rng.integers(1, 5))
        queries = self.vectors(n)
        if self.kind == "cancelling":
            queries[-1] = 1
        if self.model and self.rng.integers(2):
            queries[0] = next(iter(self.model.values()))[0]
        k = int(self.rng.choice([1, 3, 10, 50, 400]))
        text, passes = FILTERS[int(self.rng.integers(len(FILTERS)))] if self.rng.integers(2) else FILTERS[0]
        hits = self.col.search(queries, k=k, filter=text, threads=int(self.rng.integers(1, 3)), fields=["g"])
        for query, vector in enumerate(queries):
            want = expected(self.metric, self.model, vector, k, passes)
            count = int(hits.counts[query])
            got = list(hits.keys[query, :count])
            assert got == [key for key, _ in want], (self.metric, self.dim, text, k)
            bits = np.array([distance for _, distance in want], dtype=np.float32).view(np.uint32)
            assert hits.distances[query, :count].view(np.uint32).tolist() == bits.tolist()
            assert list(hits.fields["g"][query, :count]) == [self.model[key][1] for key in got]
            assert all(key in (-1, None) for key in hits.keys[query, count:])


@pytest.mark.parametrize("part", range(PARTS))
def test_exact(tmp_path, part):
    for number in range(CASES // PARTS):
        case = Case(np.random.default_rng([SEED, part, number]), tmp_path / str(number))
        with case.db:
            case.fill()
            case.query()
            if number % 5 == 0:
                case.reopen()
                case.query()
            case.db.close()
