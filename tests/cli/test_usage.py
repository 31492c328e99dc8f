"""Exit codes and one-line errors of wrong usage, and the commands that this version does not have."""
import pytest


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["help", "nonsense"], ["create"], ["create", "db/c"], ["create", "db/c", "--dim", "4"],
    ["create", "db/c", "--dim", "0", "--metric", "l2"], ["create", "db/c", "--dim", "4x", "--metric", "l2"],
    ["create", "db/c", "--dim", "-4", "--metric", "l2"], ["create", "db/c", "--dim", "32769", "--metric", "l2"],
    ["create", "db/c", "--dim", "4", "--metric", "manhattan"], ["create", "db/c", "--schema"],
    ["create", "db/c", "--dim", "4", "--metric", "l2", "--dtype", "f31"],
    ["create", "db/c", "--dim", "4", "--metric", "l2", "--schema", "x.json"],
    ["create", "db/c", "--dim", "4", "--dim", "4", "--metric", "l2"],
    ["create", "db", "--dim", "4", "--metric", "l2"], ["create", "db/", "--dim", "4", "--metric", "l2"],
    ["create", "/c", "--dim", "4", "--metric", "l2"],
    ["import", "db/c"], ["import", "db/c", "--vectors", "x.npy", "--unheard-of"],
    ["import", "db/c", "--vectors", "x.npy", "--batch", "0"],
    ["import", "db/c", "--vectors", "x.npy", "--ignore-unknown=yes"],
    ["index", "db/c"], ["search", "db/c"], ["search", "db/c", "--queries", "x.npy", "--like", "y"],
    ["search", "db/c", "--queries", "x.npy", "-k", "0"], ["search", "db/c", "--queries", "x.npy", "-z", "1"],
    ["search", "db/c", "--queries", "x.npy", "--within", "near"],
    ["search", "db/c", "--queries", "x.npy", "--within", "nan"],
    ["search", "db/c", "--queries", "x.npy", "--within", "1", "-k", "3"],
    ["search", "db/c", "--queries", "x.npy", "--within", "1", "--cap", "16385"],
    ["search", "db/c", "--queries", "x.npy", "--cap", "3"], ["search", "db/c", "--queries", "x.npy", "more"],
    ["inspect"], ["inspect", "db/c", "db/d"], ["check"],
    ["delete", "db/c"], ["delete", "db/c", "--key", "1", "--filter", "true"],
    ["gt", "--base", "b", "--queries", "q", "--metric", "l2"],
    ["gt", "--base", "b", "--queries", "q", "--metric", "no", "--out", "o"],
    ["gt", "--base", "b", "--queries", "q", "--metric", "l2", "--out", "o", "--dtype", "f64"],
    ["bench", "--base", "b", "--queries", "q", "--metric", "l2"],
    ["bench", "--base", "b", "--queries", "q", "--metric", "l2", "--index", "flat", "--sweep", "ef"],
    ["bench", "--base", "b", "--queries", "q", "--metric", "l2", "--index", "flat", "--filter-rate", "2"],
    ["bench", "--base", "b", "--queries", "q", "--metric", "l2", "--index", "flat", "--engine", "other"],
    ["bench", "--base", "b", "--queries", "q", "--metric", "l2", "--index", "flat", "--dtype", "float"],
])
def test_wrong_usage_is_2(vss, words):
    vss.fails(*words, code=2)
    assert list(vss.folder.iterdir()) == []


def test_a_device_that_is_not_there(vss):
    words = ["bench", "--base", "b", "--queries", "q", "--metric", "l2", "--index", "flat", "--device", "cuda"]
    assert vss.fails(*words) == 'vss: there is no device "cuda": --device-library loads the library that has it\n'
    vss.ok("create", "db/c", "--dim", "4", "--metric", "l2")
    assert 'no device "cuda"' in vss.fails("index", "db/c", "flat", "--device", "cuda")
    assert "none.so" in vss.fails("--device-library", "./none.so,memory_mb=1", "version")
    assert "none.so" in vss.fails("--device-library=./none.so", "version")
    assert '"/"' in vss.fails("--device-library", "none.so", "version")
    assert "needs a value" in vss.fails("--device-library", code=2)
    assert "unknown option --device-libraryx" in vss.fails("--device-libraryx", "version", code=2)


@pytest.mark.parametrize(
    "command", "create import index search inspect check compact delete export salvage gt bench".split())
def test_help_tells_the_options(vss, command):
    assert vss.ok("help", command) == vss.ok(command, "--help")
    assert vss.ok("help", command).startswith(f"usage: vss {command} ")
    assert command in vss.ok("help")


def test_version(vss):
    assert vss.ok("version").startswith("vss 0.")


def test_index_help_lists_parameters(vss):
    assert "ef_construction" in vss.ok("help", "index")


@pytest.mark.parametrize("words", [
    ["import", "no/c", "--vectors", "v.fbin"], ["index", "no/c", "flat"], ["search", "no/c", "--like", "1"],
    ["inspect", "no/c"], ["check", "no/c"], ["delete", "no/c", "--key", "1"],
])
def test_nothing_but_create_makes_a_database(vss, words):
    vss.write("v.fbin", b"\1\0\0\0\1\0\0\0\0\0\0\0")
    vss.fails(*words)
    assert [path.name for path in vss.folder.iterdir()] == ["v.fbin"]


def test_error_names_the_missing_file(vss):
    vss.ok("create", "db/c", "--dim", "4", "--metric", "l2")
    assert "nothing.npy" in vss.fails("import", "db/c", "--vectors", "nothing.npy")
    assert "none.json" in vss.fails("create", "db/d", "--schema", "none.json")
    assert "v.txt" in vss.fails("import", "db/c", "--vectors", "v.txt")


def test_full_output_is_a_failure(vss):
    import subprocess
    from conftest import TOOL
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(TOOL), "help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.startswith("vss: standard output")
