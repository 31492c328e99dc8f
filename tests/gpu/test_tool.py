"""The tool with a device: what it prints is what it prints without one, and --explain and --json name the device."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOST = ROOT / "build" / "gpu" / "host" / "libvss_gpu_host.so"
TOOL = os.environ.get("VSS_TOOL", str(ROOT / "build" / "release" / "vss"))


@pytest.fixture
def tool(tmp_path):
    rng = np.random.default_rng(4)
    np.save(tmp_path / "rows.npy", rng.standard_normal((6000, 16)).astype(np.float32))
    np.save(tmp_path / "q.npy", rng.standard_normal((12, 16)).astype(np.float32))

    def run(*words, options=""):
        done = subprocess.run([TOOL, f"--device-library={HOST}{options}", *words], capture_output=True, text=True,
                              cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout
    return run


def test_search(tool):
    tool("create", "db/c", "--dim", "16", "--metric", "l2")
    tool("import", "db/c", "--vectors", "rows.npy")
    words = ["search", "db/c", "--queries", "q.npy", "-k", "5"]
    plain = tool(*words)
    assert tool(*words, "--device", "emulated", options=",memory_mb=64") == plain
    assert "emulated" in tool(*words, "--device", "emulated", "--explain")
    assert "emulated" not in tool(*words, "--explain")
    tool("index", "db/c", "ivf_flat", "--set", "nlist=50", "--device", "emulated")
    assert tool(*words, "--set", "nprobe=50") == plain
    assert tool(*words, "--set", "nprobe=50", "--device", "emulated") == plain
    tool("index", "db/c", "hnsw")
    walked = tool(*words, "--set", "ef=400", "--device", "emulated", "--explain")
    assert "emulated" in walked and "hnsw" in walked
    assert tool(*words, "--set", "ef=400", "--device", "emulated") == plain
    tool("index", "db/c", "hnsw", "--set", "m=8")
    found = tool(*words)
    tool("index", "db/c", "ivf_flat", "--set", "nlist=50")
    tool("index", "db/c", "hnsw", "--set", "m=8", "--device", "emulated")
    assert tool(*words) == found


def test_bench(tool):
    words = ["bench", "--base", "rows.npy", "--queries", "q.npy", "--metric", "l2", "--index", "flat", "--batch", "12"]
    line = json.loads(tool(*words, "--device", "emulated", "--json"))
    assert line["device"] == "emulated" and line["recall"] == 1
    words[words.index("flat")] = "hnsw"
    cpu, device = (json.loads(tool(*words, "--json", *more)) for more in ((), ("--device", "emulated")))
    assert device["device"] == "emulated" and device["recall"] >= cpu["recall"] - 0.01 > 0.9


def test_beside_the_cpu(tmp_path):
    """gpu/compare_cpu.sh prints a table an index and processor; what is exact has the same recall in both."""
    rng = np.random.default_rng(5)
    for name, n in (("base.fbin", 6000), ("query.fbin", 20)):
        rows = rng.standard_normal((n, 12)).astype(np.float32)
        (tmp_path / name).write_bytes(np.array(rows.shape, np.int32).tobytes() + rows.tobytes())
    done = subprocess.run([ROOT / "gpu" / "compare_cpu.sh", HOST, "emulated", tmp_path / "base.fbin",
                           tmp_path / "query.fbin"], capture_output=True, text=True, check=False,
                          env=os.environ | {"VSS_TOOL": TOOL, "VSS_BATCHES": "20"})
    assert done.returncode == 0, done.stderr
    recall = {}
    for table in done.stdout.split("\n\n"):
        lines = table.strip().splitlines()
        if lines[0].endswith((", cpu", ", emulated")):
            index, by = lines[0].split(",")[0], lines[0].rsplit(" ", 1)[1]
        elif lines[0].startswith("search"):
            recall[index, by] = [float(line.split()[1]) for line in lines[1:]]
    assert recall["flat", "cpu"] == recall["flat", "emulated"] == [1.0]
    assert len(recall["hnsw", "cpu"]) == len(recall["hnsw", "emulated"]) == 5
    assert recall["ivf_flat", "cpu"] == recall["ivf_flat", "emulated"]
    assert recall["ivf_flat", "cpu"][-1] > recall["ivf_flat", "cpu"][0]
    for index in ("hnsw", "ivf_rabitq"):
        assert all(device >= cpu - 0.02 for cpu, device in zip(recall[index, "cpu"], recall[index, "emulated"]))
