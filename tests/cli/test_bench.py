"""bench: its keys, which scripts read, and what recall means."""
import numpy as np
import pytest

from cli_files import vector_bytes

KEYS = ("engine index build_params search_params n dim metric k threads batch recall qps p50_us p99_us build_s "
        "index_bytes rss_bytes simd").split()


@pytest.fixture
def data(vss):
    numbers = np.random.default_rng(5)
    vss.write("base.fbin", vector_bytes(".fbin", numbers.normal(size=(5000, 16))))
    vss.write("q.fbin", vector_bytes(".fbin", numbers.normal(size=(100, 16))))
    return vss


def bench(vss, *more):
    return vss.lines("bench", "--base", "base.fbin", "--queries", "q.fbin", "--metric", "l2", *more)


def test_keys(data):
    points = bench(data, "--index", "hnsw", "--set", "m=8,ef_construction=50", "--sweep", "ef=16,64")
    assert [list(point) for point in points] == [KEYS, KEYS]
    for point, ef in zip(points, (16, 64)):
        assert (point["engine"], point["index"], point["build_params"]) == ("vss", "hnsw", "m=8,ef_construction=50")
        assert (point["search_params"], point["metric"]) == (f"ef={ef}", "l2")
        assert [point[key] for key in ("n", "dim", "k", "threads", "batch")] == [5000, 16, 10, 1, 1]
        assert 0.3 < point["recall"] <= 1 and point["qps"] > 0 and 0 < point["p50_us"] <= point["p99_us"]
        assert point["build_s"] >= 0 and point["index_bytes"] > 0 and point["rss_bytes"] > 5000 * 16 * 4
        assert f"({point['simd']})" in data.ok("version")
    assert points[0]["recall"] <= points[1]["recall"]


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_exact_search_has_recall_1_by_either_truth(data, metric):
    data.ok("gt", "--base", "base.fbin", "--queries", "q.fbin", "--metric", metric, "-k", "20", "--out", "t.ibin")
    for truth in ([], ["--truth", "t.ibin"]):
        words = ["--base", "base.fbin", "--queries", "q.fbin", "--metric", metric, "--index", "flat", *truth]
        assert data.lines("bench", *words)[0]["recall"] == 1


def test_recall_counts_what_is_missing(data):
    """A truth of the same row over and over lets everything nearer count; one of the farthest rows lets all count."""
    data.write("own.fbin", vector_bytes(".fbin", np.fromfile(data.folder / "base.fbin", "<f4")[2:].reshape(-1, 16)[:4]))
    data.write("t.ibin", vector_bytes(".ibin", np.repeat(np.arange(4)[:, None], 10, 1)))
    words = ["--base", "base.fbin", "--queries", "own.fbin", "--metric", "l2", "--index", "flat", "--truth", "t.ibin"]
    assert data.lines("bench", *words)[0]["recall"] == pytest.approx(0.1)


def test_filter_threads_and_batch(data):
    point = bench(data, "--index", "hnsw", "--set", "m=16,ef=200", "--filter-rate", "0.5", "--threads", "2", "--batch",
                  "32", "-k", "5", "--first", "50")[0]
    assert point["search_params"] == "ef=200" and point["build_params"] == "m=16" and point["filter_rate"] == 0.5
    assert (point["threads"], point["batch"], point["k"]) == (2, 32, 5)
    assert point["recall"] > 0.9
    assert bench(data, "--index", "flat", "--threads", "3", "--filter-rate", "0.01")[0]["recall"] == 1


def test_table(data):
    table = data.ok("bench", "--base", "base.fbin", "--queries", "q.fbin", "--metric", "l2", "--index", "flat")
    assert "recall" in table and "1.0000" in table


@pytest.mark.parametrize("truth, said", [
    (np.zeros((99, 10)), "99 rows"), (np.zeros((100, 9)), "of 9"), (np.full((100, 10), 5000), "5000"),
    (np.full((100, 10), -2), "-2"),
])
def test_bad_truth(data, truth, said):
    data.write("t.ibin", vector_bytes(".ibin", truth))
    line = data.fails("bench", "--base", "base.fbin", "--queries", "q.fbin", "--metric", "l2", "--index", "flat",
                      "--truth", "t.ibin", "--json")
    assert said in line


def test_errors(data):
    words = ["bench", "--base", "base.fbin", "--queries", "q.fbin", "--metric", "l2", "--index"]
    assert "nonsense" in data.fails(*words, "nonsense", "--json")
    assert "m" in data.fails(*words, "hnsw", "--set", "m=99999", "--json")
    assert "ef" in data.fails(*words, "hnsw", "--sweep", "ef=0", "--json")
    data.write("t.fbin", vector_bytes(".fbin", np.zeros((100, 10))))
    assert "floats" in data.fails(*words, "flat", "--truth", "t.fbin", "--json")
