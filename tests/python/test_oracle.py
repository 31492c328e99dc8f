"""Exact search against float64 arithmetic in numpy: the same keys, order and bits of every distance.

A thousand random cases: vectors of every type and metric, rows in memory and in several sealed segments, keys of both
types, ties and equal rows, filters, deletes, k beyond the rows, and collections that were closed and opened again.
VSS_ORACLE_SEED moves to others.
"""

import os

import numpy as np
import pytest

import vss
from vector_model import EVERY, bfloat16_bits, distances, smaller_is_nearer, stored, widened

CASES = 1000
PARTS = 20
SEED = int(os.environ.get("VSS_ORACLE_SEED", "1"))


def order_key(metric, distance, key):
    return (distance if smaller_is_nearer(metric) else -distance, key.encode() if isinstance(key, str) else key)


def expected(case, query, k, passes):
    """(key, distance) of the k nearest rows to float64 [dim]."""
    live = [(key, vector) for key, (vector, group) in case.model.items() if passes(group)]
    if not live:
        return []
    found = distances(case.metric, widened(case.dtype, np.stack([vector for _, vector in live])), query)
    hits = [(key, distance) for (key, _), distance in zip(live, found)]
    return sorted(hits, key=lambda hit: order_key(case.metric, float(hit[1]), hit[0]))[:k]


FILTERS = [
    (None, lambda group: True), ("g < 3", lambda group: group is not None and group < 3),
    ("g == 1 or g == 5", lambda group: group in (1, 5)), ("g is null", lambda group: group is None),
    ("not (g > 2)", lambda group: group is not None and not group > 2), ("g > 100", lambda group: False),
]


class Case:
    """One random collection and what it should hold."""

    def __init__(self, rng, number, path):
        self.rng = rng
        self.path = path
        self.dtype, self.metric = EVERY[number % len(EVERY)]
        self.dim = 8 * int(rng.integers(1, 21)) if self.dtype == "binary" else int(rng.integers(1, 71))
        self.texts = bool(rng.integers(2))
        self.kind = str(rng.choice(["smooth", "coarse", "cancelling"]))
        self.model = {}  # key: (vector as stored, group)
        self.db = vss.open(path)
        self.col = self.db.create_collection("c", [
            {"name": "key", "type": "string" if self.texts else "int64", "primary": True},
            {"name": "g", "type": "int32", "nullable": True},
            {"name": "v", "type": f"vector<{self.dtype}>", "dim": self.dim, "metric": self.metric}])

    def vectors(self, n):
        """float32 [n][dim], or of the field's own integers, or bool."""
        if self.dtype == "binary":
            made = self.bits(n)
        elif self.dtype in ("i8", "u8"):
            made = self.integers(n)
        else:
            made = self.reals(n)
        if n > 1 and self.rng.integers(2):  # equal rows
            made[self.rng.integers(n, size=n // 2)] = made[0]
        return made

    def bits(self, n):
        density = {"smooth": 0.5, "coarse": 0.02, "cancelling": self.rng.random()}[self.kind]
        return self.rng.random((n, self.dim)) < density

    def integers(self, n):
        limits = np.iinfo(np.int8 if self.dtype == "i8" else np.uint8)
        if self.kind == "coarse":  # few different values: many ties
            made = self.rng.integers(max(-1, limits.min), 2, (n, self.dim))
        elif self.kind == "cancelling":  # the largest sums there are
            made = self.rng.choice([limits.min, limits.max], (n, self.dim))
        else:
            made = self.rng.integers(limits.min, limits.max + 1, (n, self.dim))
        if self.metric == "cosine":
            made[~made.any(axis=1), 0] = 1
        return made.astype(limits.dtype)

    def reals(self, n):
        if self.kind == "coarse":
            made = self.rng.integers(-1, 2, (n, self.dim)).astype(np.float32)
        elif self.kind == "cancelling":  # inner products with ones are what float64 lost: the order of adding shows
            reach = 3 if self.dtype == "f16" else 6
            made = self.rng.standard_normal((n, self.dim)) * 10 ** self.rng.uniform(-reach, reach, (n, self.dim))
            made = made.astype(np.float32)
            half = self.dim // 2
            made[:, half:2 * half] = -made[:, self.rng.permutation(half)]
        else:
            made = (self.rng.standard_normal((n, self.dim)) * 10.0 ** self.rng.integers(-3, 4)).astype(np.float32)
        if self.metric == "cosine":
            made[~made.any(axis=1), 0] = 1
        return made

    def given(self, vectors):
        """One of the forms in which the field takes them."""
        if self.rng.integers(2) or self.dtype in ("f32", "i8", "u8"):
            return vectors
        if self.dtype == "binary":
            return stored("binary", vectors)
        return vectors.astype(np.float16) if self.dtype == "f16" else bfloat16_bits(vectors)

    def components(self, given):
        """float64 of what was given as queries: float32 is not rounded to the field's type."""
        if given.dtype == np.uint16:
            return (given.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        return widened("binary", given) if self.dtype == "binary" and given.dtype != bool else given.astype(np.float64)

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
        self.col.insert({"key": keys, "g": groups, "v": self.given(vectors)})
        self.model.update(zip(keys, zip(stored(self.dtype, vectors), groups)))

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
        queries = self.vectors(int(self.rng.integers(1, 5)))
        if self.kind == "cancelling" and self.dtype not in ("i8", "u8", "binary"):
            queries[-1] = 1
        if self.model and self.rng.integers(2) and self.dtype not in ("bf16", "binary"):
            queries[0] = next(iter(self.model.values()))[0]
        queries = self.given(queries)
        k = int(self.rng.choice([1, 3, 10, 50, 400]))
        text, passes = FILTERS[int(self.rng.integers(len(FILTERS)))] if self.rng.integers(2) else FILTERS[0]
        hits = self.col.search(queries, k=k, filter=text, threads=int(self.rng.integers(1, 3)), fields=["g", "v"])
        for query, vector in enumerate(self.components(queries)):
            want = expected(self, vector, k, passes)
            count = int(hits.counts[query])
            got = list(hits.keys[query, :count])
            assert got == [key for key, _ in want], (self.dtype, self.metric, self.dim, text, k)
            bits = np.array([distance for _, distance in want], dtype=np.float32).view(np.uint32)
            assert hits.distances[query, :count].view(np.uint32).tolist() == bits.tolist()
            assert list(hits.fields["g"][query, :count]) == [self.model[key][1] for key in got]
            assert all(np.array_equal(hits.fields["v"][query, row], self.model[key][0]) for row, key in enumerate(got))
            assert all(key in (-1, None) for key in hits.keys[query, count:])


@pytest.mark.parametrize("part", range(PARTS))
def test_exact(tmp_path, part):
    for number in range(CASES // PARTS):
        case = Case(np.random.default_rng([SEED, part, number]), part + number, tmp_path / str(number))
        with case.db:
            case.fill()
            case.query()
            if number % 5 == 0:
                case.reopen()
                case.query()
            case.db.close()
