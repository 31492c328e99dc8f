"""The tool with the plug-in: loading, index, search, check, and FAISS beside our own in one bench."""

import json
import os
import subprocess

import numpy as np
import pytest

from conftest import K, PLUGIN, ROOT

TOOL = os.environ.get("VSS_TOOL", str(ROOT / "build" / "release" / "vss"))


def run(folder, *words, plugins=None):
    env = {key: value for key, value in os.environ.items() if key != "VSS_PLUGINS"}
    if plugins:
        env["VSS_PLUGINS"] = str(plugins)
    return subprocess.run([TOOL, *map(str, words)], cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def ok(folder, *words, **more):
    done = run(folder, *words, **more)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def fails(folder, *words, code=1, **more):
    done = run(folder, *words, **more)
    assert done.returncode == code and done.stdout == "", done
    assert done.stderr.startswith("vss: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data):
    made = tmp_path_factory.mktemp("tool")
    np.save(made / "rows.npy", data.rows)
    np.save(made / "q.npy", data.queries)
    ok(made, "create", "db/c", "--dim", data.rows.shape[1], "--metric", "l2")
    ok(made, "import", "db/c", "--vectors", "rows.npy")
    return made


def test_index_search_check(folder):
    load = "--plugin", PLUGIN
    assert "12,000 rows" in ok(folder, *load, "index", "db/c", "faiss", "--set", "factory=IVF64,PQ16x4fs")
    search = "search", "db/c", "--queries", "q.npy", "-k", K, "--json"
    found = ok(folder, *load, *search, "--set", "trusted=1,nprobe=64")
    assert found == ok(folder, *search, "--set", "nprobe=64", "--set", "trusted=1", plugins=PLUGIN)
    assert len(found.splitlines()) == 40 * K
    assert "trusted=1" in fails(folder, *load, *search)
    assert "0 errors" in ok(folder, f"--plugin={PLUGIN}", "check", "db/c")
    assert "plug-in" in fails(folder, *search)
    text = ok(folder, *load, "help", "index")
    assert "faiss\n  factory" in text and "nprobe" in text and "efSearch" not in text


def test_loading_fails(folder):
    assert "none.so" in fails(folder, "--plugin", "./none.so", "version")
    assert "none.so" in fails(folder, "version", plugins="./none.so")
    assert "needs a value" in fails(folder, "--plugin", code=2)
    assert "--pluginx" in fails(folder, "--pluginx", "version", code=2)
    assert ok(folder, "--plugin", PLUGIN, "--plugin", PLUGIN, "version").startswith("vss ")


def bench(folder, *words):
    lines = ok(folder, "--plugin", PLUGIN, "bench", "--base", "rows.npy", "--queries", "q.npy", "--metric", "l2",
               "--json", *words)
    return [json.loads(line) for line in lines.splitlines()]


def test_bench_beside_our_own(folder):
    points = bench(folder, "--index", "ivf_flat", "--engine", "vss", "--engine", "faiss:IVF64,Flat", "--engine",
                   "faiss:PCA32,IVF64,SQ8", "--set", "nlist=64", "--sweep", "nprobe=4,64", "--batch", 16)
    assert [(point["engine"], point["build_params"], point["search_params"]) for point in points] == [
        ("vss", "nlist=64", "nprobe=4"), ("vss", "nlist=64", "nprobe=64"),
        ("faiss:IVF64,Flat", "factory=IVF64,Flat", "trusted=1,nprobe=4"),
        ("faiss:IVF64,Flat", "factory=IVF64,Flat", "trusted=1,nprobe=64"),
        ("faiss:PCA32,IVF64,SQ8", "factory=PCA32,IVF64,SQ8", "trusted=1,nprobe=4"),
        ("faiss:PCA32,IVF64,SQ8", "factory=PCA32,IVF64,SQ8", "trusted=1,nprobe=64")]
    assert points[1]["recall"] == 1 and points[3]["recall"] == 1 and 0.3 < points[5]["recall"] < 1
    assert points[3]["index_bytes"] > 12000 * 256 > points[5]["index_bytes"] > 0


def test_bench_alone(folder):
    (flat,) = bench(folder, "--engine", "faiss:Flat", "--threads", 2)
    assert flat["recall"] == 1 and flat["index"] == "faiss"
    low, high = bench(folder, "--engine", "faiss:HNSW16", "--sweep", "ef=10,200")
    assert low["recall"] < high["recall"]
    words = "bench", "--base", "rows.npy", "--queries", "q.npy", "--metric", "l2", "--engine"
    assert "PQ7" in fails(folder, "--plugin", PLUGIN, *words, "faiss:PQ7")
    assert "nlist" in fails(folder, "--plugin", PLUGIN, *words, "faiss:Flat", "--set", "nlist=4")
    assert '"faiss"' in fails(folder, *words, "faiss:Flat")
    assert "faiss:FACTORY" in fails(folder, *words, "faiss:", code=2)
    assert "--index" in fails(folder, *words, "vss", code=2)
