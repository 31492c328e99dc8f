"""Random exact searches against float64 arithmetic in numpy; as a program one part of the cases of test_oracle.py.

usage: oracle_case.py SEED PART CASES FOLDER. VSS_SIMD names the level of kernels. Prints how often each value was
drawn.
"""

import collections
import os
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings" / "python"))
os.environ.setdefault("VSS_LIBRARY", str(ROOT / "build" / "release" / "libvss.so.0"))

import vss  # noqa: E402
from vector_model import EVERY, bfloat16_bits, distances, smaller_is_nearer, stored, widened  # noqa: E402

FLOATS = ("f32", "f16", "bf16")
BATCHES = [1, 1, 2, 3, 4, 5, 8, 9, 15, 16, 33, 70]
INDEXES = [None, None, {}, {"codes": "sq8"}]

# Texts and what they mean for the group (-1: null) and the percentile of every row.
FILTERS = [
    (None, lambda group, p: group == group), ("g < 3", lambda group, p: (group >= 0) & (group < 3)),
    ("g == 1 or g == 5", lambda group, p: (group == 1) | (group == 5)), ("g is null", lambda group, p: group < 0),
    ("not (g > 2)", lambda group, p: (group >= 0) & (group <= 2)), ("g > 100", lambda group, p: group > 100),
    *((f"p < {share}", lambda group, p, share=share: p < share) for share in (1, 5, 10, 40, 60, 80, 99)),
]


class Case:
    """One random collection and what it should hold."""

    def __init__(self, rng, number, path, drawn):
        self.rng, self.path, self.drawn = rng, path, drawn
        self.dtype, self.metric = EVERY[number % len(EVERY)]
        self.large = rng.random() < 0.02  # rows enough that threads share them
        most = 6 if self.large else 400 if rng.random() < 0.03 else 70
        self.dim = 8 * int(rng.integers(1, 21)) if self.dtype == "binary" else int(rng.integers(1, most + 1))
        self.texts = bool(rng.integers(2)) and not self.large
        self.kind = str(rng.choice(["smooth", "coarse", "cancelling"]))
        self.model = {}  # key: (vector as stored, group or -1, percentile)
        self.db = vss.open(path)
        self.col = self.db.create_collection("c", [
            {"name": "key", "type": "string" if self.texts else "int64", "primary": True},
            {"name": "g", "type": "int32", "nullable": True}, {"name": "p", "type": "int32"},
            {"name": "v", "type": f"vector<{self.dtype}>", "dim": self.dim, "metric": self.metric}])
        self.draw("type", f"{self.dtype} {self.metric}")

    def draw(self, what, value):
        self.drawn[f"{what} {value}"] += 1

    # ---- vectors ----

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

    # ---- rows ----

    def fresh_keys(self, n):
        reach = 60000 if self.large else 400 + len(self.model)
        taken = [self.number(key) for key in self.model]
        return [self.name(int(number)) for number in
                self.rng.permutation(np.setdiff1d(np.arange(-reach, reach), taken))[:n]]

    def name(self, number):
        return f"{'é' if number % 5 == 0 else 'k'}{number}" if self.texts else number

    def number(self, key):
        return int(key[1:]) if self.texts else key

    def insert(self, n):
        keys, vectors = self.fresh_keys(n), self.vectors(n)
        groups = [None if group == 7 else int(group) for group in self.rng.integers(0, 8, n)]
        parts = self.rng.integers(0, 100, n).astype(np.int32)
        self.col.insert({"key": keys, "g": groups, "p": parts, "v": self.given(vectors)})
        kept = [-1 if group is None else group for group in groups]
        self.model.update(zip(keys, zip(stored(self.dtype, vectors), kept, parts.tolist())))

    def delete(self):
        if self.rng.integers(3) == 0:
            assert self.col.delete(filter="g == 2") == sum(row[1] == 2 for row in self.model.values())
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
        rows = int(self.rng.integers(33000, 36000) if self.large else self.rng.integers(0, 301))
        parts = 1 if self.large else int(self.rng.integers(1, 5))
        index = INDEXES[int(self.rng.integers(len(INDEXES)))]
        if self.dtype not in FLOATS and index:
            index = {}
        for part in range(parts):
            self.insert(rows // parts + (rows % parts if part == 0 else 0))
            if self.rng.random() < 0.5:
                self.delete()
            if self.rng.random() < 0.6:
                self.col.flush()
            if part == 0 and index is not None:
                self.col.build_index("v", "flat", **index)
        self.draw("index", index)
        self.draw("rows", "33,000 and more" if self.large else "up to 300")
        if self.rng.random() < 0.15:
            self.reopen()
        assert len(self.col) == len(self.model)
        self.arrange()

    def arrange(self):
        """The model as arrays, in the order of the keys."""
        self.keys = sorted(self.model, key=lambda key: key.encode() if self.texts else key)
        rows = [self.model[key] for key in self.keys]
        self.stored = np.stack([row[0] for row in rows]) if rows else np.zeros((0, 1))
        self.wide = widened(self.dtype, self.stored) if rows else self.stored
        self.groups, self.parts = (np.array([row[i] for row in rows], dtype=np.int64) for i in (1, 2))

    # ---- searches ----

    def expected(self, query, rows, low, high):
        """Places in self.keys and distances of all the rows given within the bounds, the nearest first."""
        found = distances(self.metric, self.wide[rows], query) if len(rows) else np.zeros(0, np.float32)
        order = np.argsort(found if smaller_is_nearer(self.metric) else -found, kind="stable")
        order = order[(found[order] >= low) & (found[order] <= high)]
        return rows[order], found[order]

    def bounds(self, query, rows):
        """A range between two of the rows' distances, or open on a side."""
        found = self.expected(query, rows, -np.inf, np.inf)[1]
        ends = sorted(float(found[self.rng.integers(len(found))]) if len(found) else 0.0 for _ in range(2))
        open_side = int(self.rng.integers(4))
        return (-np.inf if open_side == 1 else ends[0]), (np.inf if open_side == 2 else ends[1])

    def queries(self):
        many = BATCHES[int(self.rng.integers(len(BATCHES)))]
        queries = self.vectors(min(many, 5) if self.large else many)
        if self.kind == "cancelling" and self.dtype in FLOATS:
            queries[-1] = 1
        if self.model and self.rng.integers(2) and self.dtype not in ("bf16", "binary"):
            queries[0] = self.stored[int(self.rng.integers(len(self.keys)))]
        return self.given(queries)

    def search(self):
        queries = self.queries()
        k, threads = int(self.rng.choice([1, 3, 10, 50, 400])), int(self.rng.integers(1, 5))
        text, passes = FILTERS[int(self.rng.integers(len(FILTERS)))] if self.rng.integers(2) else FILTERS[0]
        rows, vectors, within = np.flatnonzero(passes(self.groups, self.parts)), self.components(queries), None
        if self.rng.random() < 0.3:
            within = self.bounds(vectors[0], rows)
        for what, value in (("batch", len(queries)), ("threads", threads), ("filter", text),
                            ("range", within is not None), ("level", os.environ.get("VSS_SIMD", "best"))):
            self.draw(what, value)
        hits = self.col.search(queries, k=k, filter=text, threads=threads, fields=["g", "v"], within=within)
        found = [self.expected(vector, rows, *(within or (-np.inf, np.inf))) for vector in vectors]
        for query, (places, values) in enumerate(found):
            self.compare(hits, query, places[:k], values[:k], (self.dtype, self.metric, self.dim, text, k, within))
        assert hits.capped == (within is not None and any(len(places) > k for places, _ in found))

    def compare(self, hits, query, places, values, about):
        count = int(hits.counts[query])
        assert list(hits.keys[query, :count]) == [self.keys[place] for place in places], about
        assert hits.distances[query, :count].view(np.uint32).tolist() == values.view(np.uint32).tolist(), about
        groups = [None if self.groups[place] < 0 else self.groups[place] for place in places]
        assert list(hits.fields["g"][query, :count]) == groups, about
        vectors = hits.fields["v"][query]
        assert all(np.array_equal(vectors[rank], self.stored[place]) for rank, place in enumerate(places)), about
        assert all(key in (-1, None) for key in hits.keys[query, count:]), about


def main():
    seed, part, cases = (int(text) for text in sys.argv[1:4])
    drawn = collections.Counter()
    for number in range(cases):
        case = Case(np.random.default_rng([seed, part, number]), part + number, f"{sys.argv[4]}/{number}", drawn)
        with case.db:
            case.fill()
            case.search()
            if number % 5 == 0:
                case.reopen()
                case.search()
            case.db.close()
    for what, count in sorted(drawn.items()):
        print(f"{count:6} {what}")


if __name__ == "__main__":
    main()
