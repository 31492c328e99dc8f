"""Exact search against float64 arithmetic in numpy: the same keys, order and bits of every distance.

Random cases (oracle_case.py), 1,000 in the quick tier and 10,000 in the full one: vectors of every type and metric,
every level of kernels, batches of 1 to 70, 1 to 4 threads, filters that let pass all, most, few or none, ranges, rows
in memory and in several sealed segments, with flat indexes without and with codes, keys of both types, ties and equal
rows, deletes, k beyond the rows, and collections that were closed and opened again. VSS_ORACLE_SEED moves to others.
"""

import os
import pathlib
import platform
import subprocess
import sys

import pytest

CASES = 10000 if os.environ.get("VSS_TIER") == "full" else 1000
PARTS = 20
SEED = os.environ.get("VSS_ORACLE_SEED", "1")
LEVELS = {"x86_64": ["scalar", "avx2", "avx512", "avx512vnni", "amx"], "aarch64": ["scalar", "neon", "neondot"]}
PROGRAM = pathlib.Path(__file__).with_name("oracle_case.py")


@pytest.mark.parametrize("part", range(PARTS))
def test_exact(tmp_path, part):
    levels = LEVELS.get(platform.machine(), ["scalar"])
    level = levels[part % len(levels)]  # one that this processor lacks is its best
    done = subprocess.run([sys.executable, str(PROGRAM), SEED, str(part), str(CASES // PARTS), str(tmp_path)],
                          env={**os.environ, "VSS_SIMD": level}, capture_output=True, text=True)
    assert done.returncode == 0, f"seed {SEED}, part {part}, level {level}:\n{done.stderr[-3000:]}"
    drawn = {line[7:]: int(line[:6]) for line in done.stdout.splitlines()}
    assert drawn[f"level {level}"] >= CASES // PARTS
    assert all(any(what.startswith(axis) for what in drawn) for axis in ("type", "batch", "threads", "filter", "range",
                                                                         "index", "rows"))
