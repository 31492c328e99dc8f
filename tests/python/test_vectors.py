"""Vectors of every type: the arrays a field takes and refuses, what comes back, queries, indexes."""

import re

import numpy as np
import pytest

import vss
from vector_model import EVERY, METRICS, bfloat16_bits, distances, smaller_is_nearer, stored, widened

DIM = 16
RNG = np.random.default_rng(11)
REALS = RNG.standard_normal((5, DIM)).astype(np.float32)
INTS = RNG.integers(0, 128, (5, DIM))
BOOLS = RNG.random((5, DIM)) < 0.5
NATURAL = {"f32": np.float32, "f16": np.float16, "bf16": np.float32, "i8": np.int8, "u8": np.uint8, "binary": np.uint8}


def make(db, dtype, metric=None, dim=DIM):
    field = {"name": "v", "type": f"vector<{dtype}>", "dim": dim}
    return db.create_collection(dtype, [{"name": "id", "type": "int64", "primary": True, "auto_id": True},
                                        {**field, "metric": metric} if metric else field])


def plain(dtype):
    """Five rows of what a field of the type takes."""
    if dtype == "binary":
        return BOOLS
    return INTS.astype(NATURAL[dtype]) if dtype in ("i8", "u8") else REALS


FORMS = {
    "f16": [REALS.astype(np.float16), REALS, REALS.astype(np.float64), REALS.tolist(), INTS, INTS.tolist(),
            REALS.astype(">f2"), REALS.astype(np.float16)[:, ::-1], list(REALS.astype(np.float16)),
            REALS.astype(object), np.ma.masked_array(REALS.astype(np.float16))],
    "bf16": [REALS, REALS.astype(np.float64), REALS.tolist(), INTS, REALS.astype(np.float16), list(REALS)],
    "i8": [INTS.astype(np.int8), INTS.tolist(), (-INTS).tolist(), list(INTS.astype(np.int8)), -INTS.astype(np.int8).T.T,
           INTS.astype(object), np.asfortranarray(INTS.astype(np.int8)), [[-128] * DIM, [127] * DIM]],
    "u8": [INTS.astype(np.uint8), INTS.tolist(), list(INTS.astype(np.uint8)), (INTS + 128).tolist(),
           INTS.astype(np.uint8)[:, ::-1]],
    "binary": [BOOLS, BOOLS.tolist(), np.packbits(BOOLS, axis=1, bitorder="little"), list(BOOLS), BOOLS[:, ::-1],
               np.packbits(BOOLS, axis=1, bitorder="little").tolist()],
}


@pytest.mark.parametrize("dtype, form", [(dtype, i) for dtype, forms in FORMS.items() for i in range(len(forms))])
def test_forms(db, dtype, form):
    given = FORMS[dtype][form]
    array = np.asarray(given, dtype=np.float64 if np.asarray(given).dtype == object else None)
    want = array if dtype == "binary" and array.shape[1] == DIM // 8 else stored(dtype, array)
    if dtype == "bf16":
        want = stored(dtype, array.astype(np.float32))
    col = make(db, dtype)
    keys = col.insert({"v": given})
    for _ in range(2):
        got = np.stack([row["v"] for row in col.get(keys)])
        assert got.dtype == NATURAL[dtype] and np.array_equal(got, want)
        hits = col.search(given, k=1, exact=True, fields=["v"])
        assert hits.fields["v"].dtype == NATURAL[dtype]
        col.flush()


def test_bit_patterns(db):
    col = make(db, "bf16")
    patterns = bfloat16_bits(REALS)
    got = np.stack([row["v"] for row in col.get(col.insert({"v": patterns}))])
    assert np.array_equal(bfloat16_bits(got), patterns) and np.array_equal(got, stored("bf16", REALS))
    assert col.search(patterns, k=1).keys[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_ml_dtypes(db):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    given = REALS.astype(ml_dtypes.bfloat16)
    for dtype in ("bf16", "f32", "f16"):
        col = make(db, dtype)
        got = np.stack([row["v"] for row in col.get(col.insert({"v": given}))])
        assert np.array_equal(got.astype(np.float32), given.astype(np.float32).astype(NATURAL[dtype]))


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_rounding_is_to_nearest_even(db, dtype):
    bits = np.concatenate([np.arange(0, 0x7f800000, 0x12345, dtype=np.uint32),
                           np.arange(0x33000000, 0x33802000, 0x800, dtype=np.uint32),
                           np.arange(0x3f7fe000, 0x3f803000, 0x800, dtype=np.uint32)])
    values = bits.view(np.float32)
    # within the type, and so that the squared norm of one row stays below the library's 1e37
    values = values[np.abs(values) < (65520 if dtype == "f16" else 1e18)]
    values = np.concatenate([values, -values])
    col = make(db, dtype, "l2", dim=8)
    rows = np.resize(values, (len(values) // 8, 8))
    got = np.stack([row["v"] for row in col.get(col.insert({"v": rows}))])
    assert got.tobytes() == stored(dtype, rows).tobytes()


BAD = {
    "f16": {"overflow": np.full((1, DIM), 65520.0), "uint16": np.zeros((1, DIM), np.uint16), "text": [["a"] * DIM],
            "bool": BOOLS, "nan": np.full((1, DIM), np.nan, np.float16), "infinite": np.full((1, DIM), np.inf, "f2"),
            "dim": REALS[:, :8], "complex": REALS.astype(complex)},
    "bf16": {"overflow": np.full((1, DIM), 3.4e38), "nan pattern": np.full((1, DIM), 0x7fc0, np.uint16),
             "infinite pattern": np.full((1, DIM), 0x7f80, np.uint16), "dim": REALS[:, :8], "bool": BOOLS},
    "i8": {"uint8": INTS.astype(np.uint8), "int64": INTS, "float": REALS, "float list": REALS.tolist(),
           "large": [[128] * DIM], "small": [[-129] * DIM], "bool": BOOLS, "dim": INTS[:, :8].astype(np.int8),
           "null": [[None] * DIM], "masked": np.ma.masked_all((1, DIM), dtype=np.int8),
           "3-d": np.zeros((1, DIM, 1), np.int8),
           "huge": [[2**70] * DIM], "ragged": [[1] * DIM, [1]]},
    "u8": {"int8": INTS.astype(np.int8), "int64": INTS, "large": [[256] * DIM], "negative": [[-1] * DIM],
           "float": REALS, "bool": BOOLS, "null row": [None]},
    "binary": {"int8": np.zeros((1, DIM // 8), np.int8), "int64": np.zeros((1, DIM // 8), int),
               "unpacked": INTS.astype(np.uint8),
               "float": REALS, "large": [[256, 0]], "bits over": np.zeros((1, DIM + 1), bool),
               "bits under": np.zeros((1, DIM - 8), bool), "text": [["ab"]]},
}


@pytest.mark.parametrize("dtype, case", [(dtype, case) for dtype, cases in BAD.items() for case in cases])
def test_refused(db, dtype, case):
    col = make(db, dtype)
    col.insert({"v": plain(dtype)})
    calls = [lambda: col.insert({"v": BAD[dtype][case]}), lambda: col.search(BAD[dtype][case], k=1)]
    for call in calls[:1 if (dtype, case) == ("f16", "overflow") else 2]:  # a query is not rounded
        with pytest.raises(vss.InvalidArgument) as caught:
            call()
        assert re.fullmatch(r"[^\n]+", str(caught.value))
        assert len(col) == 5


def test_refused_lines(db):
    with pytest.raises(vss.InvalidArgument, match='^field "v": 300 does not fit uint8$'):
        make(db, "u8").insert({"v": [[1] * 15 + [300]]})
    with pytest.raises(vss.InvalidArgument, match='^field "v": expected uint8 or bool, got int8$'):
        make(db, "binary").insert({"v": np.zeros((1, 2), np.int8)})
    with pytest.raises(vss.InvalidArgument, match='^queries: expected components in multiples of 8, got 12$'):
        db.collection("binary").search(np.zeros(12, bool))


@pytest.mark.parametrize("dtype", METRICS)
def test_empty_and_padding(db, dtype):
    col = make(db, dtype)
    width = DIM // 8 if dtype == "binary" else DIM
    for nothing in ([], np.zeros((0, width), NATURAL[dtype])):
        assert len(col.insert({"v": nothing})) == 0
    col.insert({"v": plain(dtype)[:1]})
    hits = col.search(plain(dtype)[0], k=3, fields=["v"])
    assert hits.keys.tolist() == [[0, -1, -1]] and hits.fields["v"].shape == (1, 3, width)
    rest = hits.fields["v"][0, 1:]
    assert np.isnan(rest).all() if dtype in ("f32", "f16", "bf16") else not rest.any()
    assert hits[0][0].fields["v"].dtype == NATURAL[dtype]


@pytest.mark.parametrize("dtype, metric", [("f32", "cosine"), ("f16", "cosine"), ("bf16", "cosine"), ("i8", "l2"),
                                           ("u8", "l2"), ("binary", "hamming")])
def test_default_metric(db, dtype, metric):
    col = make(db, dtype)
    assert f"v vector<{dtype}> dim 16 {metric} no index" in repr(col)


@pytest.mark.parametrize("dtype, metric", [("f32", "hamming"), ("i8", "jaccard"), ("binary", "l2"), ("binary", "ip")])
def test_metric_of_another_type(db, dtype, metric):
    with pytest.raises(vss.InvalidArgument, match='"v"'):
        make(db, dtype, metric)
    with pytest.raises(vss.InvalidArgument, match="multiple of 8"):
        make(db, "binary", dim=12)


@pytest.mark.parametrize("dtype, metric", EVERY)
def test_index(db, dtype, metric):
    """An index finds nearly all, with the distances of the exact search; and exact=True is exact with it."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((4500, 32)) + rng.standard_normal((90, 32)).repeat(50, axis=0) * 2
    if dtype in ("i8", "u8"):
        limits = np.iinfo(NATURAL[dtype])
        rows = np.clip(rows * 20 + (limits.min + limits.max + 1) // 2, limits.min, limits.max).astype(limits.dtype)
    else:
        rows = rows > 0 if dtype == "binary" else rows.astype(np.float32)
    queries = rows[::150]
    col = make(db, dtype, metric, dim=32)
    col.insert({"v": rows})
    col.flush()
    exact = col.search(queries, k=10)
    col.build_index("v", "hnsw", m=8, ef_construction=60)
    again, hits = col.search(queries, k=10, exact=True), col.search(queries, k=10, ef=100)
    assert np.array_equal(again.keys, exact.keys) and again.distances.tobytes() == exact.distances.tobytes()
    assert hits.approximate and not exact.approximate and (hits.counts == 10).all()
    values = widened(dtype, stored(dtype, rows))
    asked = widened(dtype, stored(dtype, queries)) if dtype == "binary" else queries.astype(np.float64)
    for query, keys, found in zip(asked, hits.keys, hits.distances):
        assert found.tobytes() == distances(metric, values[keys], query).tobytes()
    sign = 1 if smaller_is_nearer(metric) else -1
    recall = (sign * hits.distances <= sign * exact.distances[:, -1:]).mean()
    assert recall > 0.9
