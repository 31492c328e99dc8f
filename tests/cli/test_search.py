"""Create, import, index, search: against exact results by numpy."""
import json

import numpy as np
import pytest

from cli_files import exact, json_lines, read_ibin, schema, vector_bytes

N, DIM = 500, 16


def random_vectors(n, seed):
    return np.random.default_rng(seed).normal(size=(n, DIM)).astype("f4")


@pytest.fixture
def filled(vss, request):
    """A collection db/c of N rows, row i with key "k<i>", x = i, and its vectors; metric by parameter."""
    vss.metric = getattr(request, "param", "l2")
    vss.base, vss.queries = random_vectors(N, 1), random_vectors(20, 2)
    vss.write("base.fbin", vector_bytes(".fbin", vss.base))
    vss.write("q.fbin", vector_bytes(".fbin", vss.queries))
    vss.write("schema.json", schema({"name": "x", "type": "int64"}, {"name": "s", "type": "string"}, dim=DIM,
                                    metric=vss.metric))
    vss.write("rows.jsonl", json_lines({"name": f"k{i:04}", "x": i, "s": "even" if i % 2 == 0 else "odd"}
                                       for i in range(N)))
    vss.ok("create", "db/c", "--schema", "schema.json")
    done = vss.lines("import", "db/c", "--vectors", "base.fbin", "--rows", "rows.jsonl", "--batch", "64")
    assert done[0]["rows"] == N
    return vss


@pytest.mark.parametrize("filled", ["l2", "ip", "cosine"], indirect=True)
@pytest.mark.parametrize("threads", [1, 3])
def test_exact_results(filled, threads):
    hits = filled.lines("search", "db/c", "--queries", "q.fbin", "-k", "7", "--threads", threads, "--fields", "x,s")
    wanted = exact(filled.base, filled.queries, 7, filled.metric)
    assert [hit["x"] for hit in hits] == wanted.ravel().tolist()
    for i, hit in enumerate(hits):
        assert list(hit) == ["query", "rank", "key", "distance", "x", "s"]
        assert (hit["query"], hit["rank"], hit["key"]) == (i // 7, i % 7, f"k{hit['x']:04}")
        a, b = filled.queries[i // 7].astype("f8"), filled.base[hit["x"]].astype("f8")
        value = {"l2": ((a - b) ** 2).sum(), "ip": a @ b,
                 "cosine": a @ b / np.linalg.norm(a) / np.linalg.norm(b)}[filled.metric]
        assert hit["distance"] == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("filled", ["l2", "cosine"], indirect=True)
def test_like_is_the_mean_and_leaves_its_rows_out(filled):
    named = [3, 77, 200]
    vectors = filled.base[named].astype("f8")
    if filled.metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = exact(filled.base, vectors.mean(0, keepdims=True), N, filled.metric)[0]
    wanted = [row for row in order.tolist() if row not in named][:5]
    repeated = ["--like", "k0003", "--like", "k0077", "--like", "k0200"]
    hits = filled.lines("search", "db/c", *repeated, "-k", "5", "--fields", "x")
    assert [hit["x"] for hit in hits] == wanted
    assert hits == filled.lines("search", "db/c", "--like", "k0003", "k0077", "k0200", "-k", "5", "--fields", "x")


def test_like_of_a_missing_row(filled):
    assert '"nobody"' in filled.fails("search", "db/c", "--like", "k0003", "--like", "nobody")


def test_filter(filled):
    hits = filled.lines("search", "db/c", "--queries", "q.fbin", "-k", "3", "--filter", 's == "even" and x < 100',
                        "--fields", "x")
    rows = np.arange(0, 100, 2)
    wanted = rows[exact(filled.base[rows], filled.queries, 3, "l2")]
    assert [hit["x"] for hit in hits] == wanted.ravel().tolist()
    assert filled.lines("search", "db/c", "--queries", "q.fbin", "--filter", "x < 0") == []
    assert "nothing" in filled.fails("search", "db/c", "--queries", "q.fbin", "--filter", "nothing == 1")


def test_fewer_rows_than_k(filled):
    hits = filled.lines("search", "db/c", "--queries", "q.fbin", "--first", "2", "-k", "10", "--filter", "x < 4")
    assert [(hit["query"], hit["rank"]) for hit in hits] == [(q, r) for q in range(2) for r in range(4)]


@pytest.mark.parametrize("kind, options", [
    ("flat", []), ("hnsw", ["--set", "m=16", "--set", "ef_construction=100"]), ("ivf_flat", ["--set", "nlist=4"]),
    ("ivf_sq8", []), ("ivf_rabitq", ["--set", "bits=2"]), ("ivf_pq", ["--set", "nbits=8"])])
def test_index(filled, kind, options):
    before = filled.lines("search", "db/c", "--queries", "q.fbin", "--set", "exact=1")
    done = filled.lines("index", "db/c", kind, *options)[0]
    assert (done["field"], done["type"]) == ("v", kind)
    assert filled.lines("inspect", "db/c")[0]["indexes"][0]["type"] == kind
    assert filled.lines("search", "db/c", "--queries", "q.fbin", "--set", "exact=1") == before


def test_model_of_another_collection(vss):
    """Two collections built apart have the same model; one that has none, and none of that name, are told."""
    vss.write("base.fbin", vector_bytes(".fbin", random_vectors(6000, 3)))
    for name in ("db/a", "else/b"):
        vss.ok("create", name, "--dim", DIM, "--metric", "l2")
        vss.ok("import", name, "--vectors", "base.fbin")
    build = ["index", "else/b", "ivf_sq8", "--set", "nlist=30", "--model-of"]
    assert "has no model" in vss.fails(*build, "db/a")
    vss.ok("index", "db/a", "ivf_sq8", "--set", "nlist=30")
    vss.ok(*build, "db/a")
    first, second = ([path.read_bytes() for path in (vss.folder / name / "i").glob("*.mdl")]
                     for name in ("db/a", "else/b"))
    assert len(first) == 1 and first == second
    assert "nothing" in vss.fails(*build, "db/nothing")
    vss.fails(*build, "nothing", code=2)
    assert vss.lines("check", "else/b")[-1]["ok"]


def test_auto_index_says_why(vss):
    vss.write("base.fbin", vector_bytes(".fbin", random_vectors(6000, 3)))
    vss.ok("create", "db/c", "--dim", DIM, "--metric", "l2")
    vss.ok("import", "db/c", "--vectors", "base.fbin")
    done = vss.lines("index", "db/c", "auto")[0]
    assert done["type"] == "flat" and done["type"] in done["reason"] and "6000 rows" in done["reason"]
    assert "6000 rows" in vss.ok("index", "db/c", "auto", "--memory", "1").splitlines()[0]
    assert "auto" in vss.ok("index", "--help")
    assert "memory" in vss.fails("index", "db/c", "auto", "--memory", "x", code=2)


def test_index_of_a_large_segment_finds_nearly_all(vss):
    base, queries = random_vectors(6000, 3), random_vectors(50, 4)
    vss.write("base.fbin", vector_bytes(".fbin", base))
    vss.write("q.fbin", vector_bytes(".fbin", queries))
    vss.ok("create", "db/c", "--dim", DIM, "--metric", "l2")
    vss.ok("import", "db/c", "--vectors", "base.fbin")
    assert vss.lines("index", "db/c", "hnsw", "--set", "m=16")[0]["rows"] == 6000
    hits = vss.lines("search", "db/c", "--queries", "q.fbin", "-k", "10", "--set", "ef=200")
    wanted = exact(base, queries, 10, "l2")
    found = sum(hit["key"] in wanted[hit["query"]] for hit in hits)
    assert len(hits) == 500 and found >= 475
    explained = vss.ok("search", "db/c", "--queries", "q.fbin", "--first", "1", "--explain")
    assert "hnsw" in explained and "6,000" in explained


@pytest.mark.parametrize("words, named", [
    (["index", "db/c", "nonsense"], "nonsense"), (["index", "db/c", "hnsw", "--set", "m=100000"], "m"),
    (["index", "db/c", "hnsw", "--set", "colour=3"], "colour"), (["index", "db/c", "hnsw", "--field", "x"], '"x"'),
    (["index", "db/c", "hnsw", "--field", "zz"], '"zz"'), (["index", "db/zz", "hnsw"], "zz"),
    (["search", "db/c", "--queries", "q.fbin", "--fields", "zz"], "zz"),
    (["search", "db/c", "--queries", "q.fbin", "--set", "exact=maybe"], "exact"),
    (["search", "db/c", "--queries", "q.fbin", "--filter", "x <"], "filter"),
    (["search", "db/c", "--queries", "base8.fbin"], "dimension"),
    (["search", "db/c", "--queries", "q.fbin", "--out", "o.ibin"], "o.ibin"),
])
def test_errors(filled, words, named):
    filled.write("base8.fbin", vector_bytes(".fbin", np.ones((2, 8))))
    assert named in filled.fails(*words)
    assert not (filled.folder / "o.ibin").exists()


def test_out_writes_int32_keys_and_pads(vss):
    vss.write("v.fbin", vector_bytes(".fbin", np.arange(3)[:, None]))
    vss.ok("create", "db/c", "--dim", "1", "--metric", "l2")
    vss.ok("import", "db/c", "--vectors", "v.fbin")
    vss.ok("search", "db/c", "--queries", "v.fbin", "-k", "4", "--out", "o.ibin")
    assert read_ibin(vss.folder / "o.ibin").tolist() == [[0, 1, 2, -1], [1, 0, 2, -1], [2, 1, 0, -1]]


def test_out_refuses_keys_beyond_int32(vss):
    fields = [{"name": "id", "type": "int64", "primary": True}, {"name": "v", "type": "vector<f32>", "dim": 1,
                                                                 "metric": "l2"}]
    vss.write("schema.json", json.dumps({"fields": fields}))
    vss.write("v.fbin", vector_bytes(".fbin", np.ones((2, 1))))
    vss.write("rows.jsonl", json_lines([{"id": 2**31}, {"id": -5}]))
    vss.ok("create", "db/c", "--schema", "schema.json")
    vss.ok("import", "db/c", "--vectors", "v.fbin", "--rows", "rows.jsonl")
    assert "2147483648" in vss.fails("search", "db/c", "--queries", "v.fbin", "--out", "o.ibin")
    assert sorted(path.name for path in vss.folder.iterdir() if path.name.startswith("o.")) == []
    hits = vss.lines("search", "db/c", "--like=-5", "-k", "2")
    assert [hit["key"] for hit in hits] == [2**31]
    assert "int64" in vss.fails("search", "db/c", "--like", "five")


def test_table_for_people(filled):
    table = filled.ok("search", "db/c", "--like", "k0001", "-k", "2", "--fields", "s").splitlines()
    assert table[0].split() == ["rank", "key", "distance", "s"] and len(table) == 3
    several = filled.ok("search", "db/c", "--queries", "q.fbin", "-k", "1")
    assert several.count("query ") == 20


def test_gt_against_numpy(filled):
    for metric in ["l2", "ip", "cosine"]:
        filled.ok("gt", "--base", "base.fbin", "--queries", "q.fbin", "--metric", metric, "-k", "9", "--out", "o.ibin")
        assert (read_ibin(filled.folder / "o.ibin") == exact(filled.base, filled.queries, 9, metric)).all()


def in_range(filled, query, nearer, farther):
    """Rows of the base by distance, those between two of them, both included."""
    order = exact(filled.base, filled.queries[query:query + 1], N, filled.metric)[0]
    return order[nearer:farther + 1].tolist()


@pytest.mark.parametrize("filled", ["l2", "ip", "cosine"], indirect=True)
def test_within_and_beyond_give_all_rows_between(filled):
    every = filled.lines("search", "db/c", "--queries", "q.fbin", "--first", "1", "-k", N, "--fields", "x")
    near, far = (repr(every[rank]["distance"]) for rank in (20, 70))
    search = ["search", "db/c", "--queries", "q.fbin", "--first", "1", "--fields", "x"]
    for options, first, last in [(["--within", far], 0, 70), (["--beyond", near], 20, N - 1),
                                 (["--within", far, "--beyond", near], 20, 70)]:
        hits = filled.lines(*search, *options)
        assert [hit["x"] for hit in hits] == in_range(filled, 0, first, last)


def test_a_capped_range_says_so(filled):
    import subprocess
    from conftest import TOOL
    command = [str(TOOL), "search", "db/c", "--queries", "q.fbin", "--within", "1e9", "--json", "--cap"]
    done = [subprocess.run([*command, cap], cwd=filled.folder, capture_output=True, text=True) for cap in ("5", str(N))]
    assert [run.returncode for run in done] == [0, 0]
    assert [run.stderr for run in done] == ["vss: some query has more than 5 rows in its range\n", ""]
    capped, every = ([json.loads(line) for line in run.stdout.splitlines()] for run in done)
    assert len(every) == N * 20
    assert capped == [hit for hit in every if hit["rank"] < 5]


def test_no_distance_between_is_refused(filled):
    assert "no distance lies between" in filled.fails("search", "db/c", "--queries", "q.fbin", "--within", "1",
                                                      "--beyond", "2")
