"""Handles: closing, collecting, forking, threads, callbacks, signals, and the end of the process."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import vss
from conftest import FIELDS, ROOT

CALLS = {
    "insert": lambda col: col.insert({"name": ["x"], "vec": [[1, 2, 3, 4]]}),
    "upsert": lambda col: col.upsert({"name": ["x"], "vec": [[1, 2, 3, 4]]}),
    "delete": lambda col: col.delete(["a"]), "delete filter": lambda col: col.delete(filter="size > 1"),
    "search": lambda col: col.search([0, 0, 0, 0]), "long search": lambda col: col.search(np.zeros((32, 4))),
    "get": lambda col: col.get(["a"]), "count": lambda col: col.count(), "len": len, "flush": lambda col: col.flush(),
    "compact": lambda col: col.compact(), "build_index": lambda col: col.build_index("vec", "flat"),
    "indexes": lambda col: col.indexes, "check": lambda col: col.check(), "stats": lambda col: col.stats,
}


@pytest.mark.parametrize("case", CALLS)
def test_closed_collection(col, case):
    col.close()
    col.close()
    with pytest.raises(vss.InvalidArgument, match="collection is closed"):
        CALLS[case](col)
    assert repr(col) == "<vss.Collection 'things', closed>" and col.name == "things" and len(col.schema) == 3


def test_closed_database(tmp_path):
    db = vss.open(tmp_path / "db")
    col = db.create_collection("things", FIELDS)
    db.close()
    db.close()
    for attempt in (lambda: db.collection("things"), lambda: db.create_collection("b", FIELDS), lambda: db.collections,
                    lambda: db.drop_collection("things"), lambda: db.check("things"), lambda: db.memory):
        with pytest.raises(vss.InvalidArgument, match="database is closed"):
            attempt()
    with pytest.raises(vss.InvalidArgument, match="collection is closed"):
        len(col)
    col.close()
    assert "closed" in repr(db)


def test_opened_twice(db, col):
    again = db.collection("things")
    col.close()
    assert len(again) == 3
    again.close()
    db.drop_collection("things")


def test_collected_in_any_order(tmp_path):
    col = vss.open(tmp_path / "db").create_collection("things", FIELDS)
    gc.collect()
    col.insert({"name": ["a"], "vec": [[1, 2, 3, 4]]})
    ring = [col, col._database]
    ring.append(ring)
    del col, ring
    gc.collect()
    with vss.open(tmp_path / "db") as db:
        assert len(db.collection("things")) == 1


def test_second_writer(tmp_path):
    with vss.open(tmp_path / "db") as one:
        held = one.create_collection("things", FIELDS)
        with vss.open(tmp_path / "db") as two, pytest.raises(vss.Busy) as busy:
            two.collection("things")
        assert str(os.getpid()) in str(busy.value)
        assert len(held) == 0


def test_fork(db, col):
    col.flush()
    answers = {}
    for name, attempt in {**CALLS, "close": lambda c: c.close(), "db": lambda c: db.collections}.items():
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                attempt(col)
                line = "nothing"
            except BaseException as error:
                line = type(error).__name__
            os.write(writer, line.encode())
            gc.collect()
            os._exit(0)
        os.close(writer)
        answers[name] = os.read(reader, 100).decode()
        os.close(reader)
        assert os.waitpid(child, 0)[1] == 0, name
    assert set(answers.values()) == {"Forked"}, answers
    assert len(col) == 3
    col.insert({"name": ["later"], "vec": [[1, 2, 3, 4]]})


def run_script(code, path):
    source = "import sys, vss, numpy as np\n" + textwrap.dedent(code)
    env = {**os.environ, "PYTHONPATH": str(ROOT / "bindings" / "python")}
    return subprocess.run([sys.executable, "-c", source, str(path)], env=env, capture_output=True, text=True,
                          timeout=120)


@pytest.mark.parametrize("code", [
    "", "db = None", "import threading; threading.Thread(target=lambda: [len(col) for _ in range(200)]).start()",
    "import threading, itertools\nthreading.Thread(target=lambda: [len(col) for _ in itertools.count()], "
    "daemon=True).start()", "import os\nif os.fork() == 0: sys.exit()\nos.wait()", "sys.modules.clear()",
])
def test_exit_with_open_handles(tmp_path, code):
    done = run_script(f"""
db = vss.open(sys.argv[1])
col = db.create_collection("t", [{{"name": "id", "type": "int64", "primary": True}},
                                 {{"name": "v", "type": "vector<f32>", "dim": 1, "metric": "l2"}}])
col.insert({{"id": [1, 2], "v": [[1], [2]]}})
{code}
""", tmp_path / "db")
    assert done.returncode == 0, done.stderr
    assert "daemon" in code or done.stderr == ""
    with vss.open(tmp_path / "db") as db:
        assert len(db.collection("t")) == 2


def test_results_are_given_back(db, col):
    def work():
        hits = col.search(np.zeros((20, 4)), k=3, fields=["size", "vec"], explain=True, threads=1)
        assert list(hits)[0] and col.get(["a", "nobody"]) and db.collections and col.indexes == []
        with pytest.raises(vss.InvalidArgument):
            col.search([1, 2], filter="size > 1")
        db.collection("things").close()

    work()
    before = db.memory[0]
    for _ in range(50):
        work()
    assert db.memory[0] == before


def in_threads(count, work):
    failures = []

    def body(number):
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=body, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def test_32_threads(numbers):
    def work(number):
        for turn in range(20):
            query = (number * 17 + turn) % 600
            hits = numbers.search([[query, 0]] * (1 + turn), k=1, exact=True, threads=1 + turn % 3)
            assert hits.keys[:, 0].tolist() == [query] * (1 + turn)
            assert numbers.get([query])[0]["n"] == query
            if number % 8 == 0:
                key = numbers.insert({"n": [-1], "v": [[-1000 - number, turn]]})
                assert numbers.delete(key) == 1

    in_threads(32, work)
    assert len(numbers) == 600


def test_close_while_used(tmp_path):
    for turn in range(10):
        db = vss.open(tmp_path / f"db{turn}")
        col = db.create_collection("things", FIELDS)
        col.insert({"name": [str(i) for i in range(500)], "vec": np.ones((500, 4))})

        def work(number):
            if number == 0:
                time.sleep(0.005 * turn)
                (db if turn % 2 else col).close()
                return
            with pytest.raises(vss.InvalidArgument, match="closed"):
                while True:
                    col.search(np.zeros((20, 4)), k=3)

        in_threads(8, work)
        db.close()


def big(db, rows=20000, dim=32):
    made = db.create_collection("big", [
        {"name": "id", "type": "int64", "primary": True, "auto_id": True},
        {"name": "v", "type": "vector<f32>", "dim": dim, "metric": "l2"}])
    made.insert({"v": np.random.default_rng(5).standard_normal((rows, dim))})
    made.flush()
    return made


def test_callbacks(db):
    col = big(db)
    with pytest.raises(vss.Cancelled):
        col.build_index("v", "hnsw", progress=lambda *_: True)
    assert col.indexes == []

    def fail(stage, done, total):
        raise ZeroDivisionError(stage)

    for attempt in (lambda: col.build_index("v", "hnsw", progress=fail), lambda: col.check(progress=fail),
                    lambda: col.search(np.zeros((64, 32)), progress=fail)):
        with pytest.raises(ZeroDivisionError):
            attempt()
    with pytest.raises(vss.InvalidArgument, match="callback"):
        col.build_index("v", "hnsw", progress=lambda *_: col.close())
    with pytest.raises(vss.Deadline) as late:
        col.build_index("v", "hnsw", timeout=0.001)
    assert isinstance(late.value, TimeoutError)
    assert len(col) == 20000 and col.indexes == []
    in_threads(1, lambda _: col.build_index("v", "hnsw", progress=lambda *_: False, m=8))
    assert len(col.indexes) == 1


def test_timeout_truncates(db):
    col = big(db, rows=40000, dim=64)
    hits = col.search(np.zeros((4096, 64)), k=5, timeout=0.001, exact=True)
    assert hits.truncated and hits.keys.shape == (4096, 5)


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt, also where the tests were started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupt(db, interruptible):
    col = big(db, rows=60000, dim=64)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            col.search(np.zeros((16384, 64)), k=10, exact=True)
    timer.join()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            col.build_index("v", "hnsw", ef_construction=400)
    timer.join()
    assert len(col) == 60000


def test_library_is_missing(tmp_path):
    env = {**os.environ, "VSS_LIBRARY": str(tmp_path / "none.so"), "PYTHONPATH": str(ROOT / "bindings" / "python")}
    done = subprocess.run([sys.executable, "-c", "import vss"], env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "ImportError: libvss: " in done.stderr and "VSS_LIBRARY" in done.stderr


def test_structs_match_the_headers(tmp_path):
    """Every mirror has the size and offsets that the compiler gives the struct."""
    from vss import _structs as s
    mirrors = {
        "vss_error": s.ErrorInfo, "vss_column": s.ColumnInfo, "vss_field": s.FieldInfo, "vss_schema": s.SchemaInfo,
        "vss_db_options": s.DbOptions, "vss_batch": s.Batch, "vss_write_info": s.WriteInfo,
        "vss_collection_stats": s.StatsInfo, "vss_check_report": s.CheckInfo, "vss_index_info": s.IndexInfo,
        "vss_param_info": s.ParamInfo, "vss_explain_segment": s.ExplainSegment, "vss_explain": s.ExplainInfo,
        "vss_build_options": s.BuildOptions, "vss_search_request": s.SearchRequest}
    lines = ['#include <stdio.h>', '#include "vss.h"', "int main(void) {"]
    expected = []
    for name, mirror in mirrors.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        expected.append(f"{name} {s.ctypes.sizeof(mirror)}")
        for field, _ in mirror._fields_:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));')
            expected.append(f"{name}.{field} {getattr(mirror, field).offset}")
    source = tmp_path / "sizes.c"
    source.write_text("\n".join([*lines, "return 0; }"]))
    try:
        subprocess.run(["cc", f"-I{ROOT / 'include'}", str(source), "-o", str(tmp_path / "sizes")], check=True)
    except FileNotFoundError:
        pytest.skip("no C compiler")
    found = subprocess.run([str(tmp_path / "sizes")], check=True, capture_output=True, text=True).stdout.split("\n")
    assert found[:-1] == expected
