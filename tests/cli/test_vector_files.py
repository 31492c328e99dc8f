"""Every vector reader: what is good, and headers that are short, huge or contradict the file."""
import struct

import numpy as np
import pytest

from cli_files import SUFFIX_TYPES, npy_bytes, read_ibin, vector_bytes

SMALL = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 12]])


def npy_raw(header, payload=b"", version=1, length=None):
    text = header.encode()
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + text + payload


def nearest(vss, base, queries=None):
    """Row numbers that gt finds for the queries, by default the base itself."""
    vss.ok("gt", "--base", base, "--queries", queries or base, "--metric", "l2", "-k", "1", "--out", "out.ibin")
    return read_ibin(vss.folder / "out.ibin")[:, 0].tolist()


def refuse(vss, name, data):
    vss.write(name, data)
    line = vss.fails("gt", "--base", name, "--queries", name, "--metric", "l2", "-k", "1", "--out", "out.ibin")
    assert name in line
    assert not (vss.folder / "out.ibin").exists() and not (vss.folder / "out.ibin.partial").exists()
    return line


@pytest.mark.parametrize("suffix", SUFFIX_TYPES)
def test_reads_each_kind(vss, suffix):
    vss.write("plain.npy", npy_bytes(SMALL.astype("<f4")))
    vss.write("file" + suffix, vector_bytes(suffix, SMALL))
    assert nearest(vss, "plain.npy", "file" + suffix) == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_reads_npy(vss, kind, version):
    vss.write("plain.fbin", vector_bytes(".fbin", SMALL))
    vss.write("file.npy", npy_bytes(SMALL.astype(kind), version))
    assert nearest(vss, "plain.fbin", "file.npy") == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "f2", "f4", "f8"])
def test_negative_numbers_and_order(vss, kind):
    vss.write("plain.fbin", vector_bytes(".fbin", -SMALL))
    vss.write("file.npy", npy_bytes((-SMALL[::-1]).astype(kind)))
    assert nearest(vss, "plain.fbin", "file.npy") == [3, 2, 1, 0]


def test_halves_widen_exactly(vss):
    halves = np.array([0x0001, 0x03FF, 0x0400, 0x3C01, 0x7BFF, 0x8001, 0xFBFF], "<u2").view("<f2")[:, None]
    vss.write("half.npy", npy_bytes(halves))
    vss.ok("create", "db/c", "--dim", "1", "--metric", "l2")
    vss.ok("import", "db/c", "--vectors", "half.npy")
    hits = vss.lines("search", "db/c", "--queries", "half.npy", "-k", "1", "--fields", "vector")
    assert [np.float32(hit["vector"][0]) for hit in hits] == halves.astype("f4")[:, 0].tolist()


def test_one_dimension_is_one_row(vss):
    vss.write("plain.fbin", vector_bytes(".fbin", SMALL))
    vss.write("one.npy", npy_bytes(np.array([6, 7, 8], "f4")))
    assert nearest(vss, "plain.fbin", "one.npy") == [2]


@pytest.mark.parametrize("suffix", [".fbin", ".u8bin", ".i8bin", ".ibin"])
def test_bad_bin_headers(vss, suffix):
    good = vector_bytes(suffix, SMALL)
    for data in [b"", good[:7], good[:8], good[:-1], good + b"\0", struct.pack("<ii", 5, 3) + good[8:],
                 struct.pack("<ii", -1, 3) + good[8:], struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + good[8:],
                 struct.pack("<II", 0x80000000, 2) + good[8:], struct.pack("<ii", 4, 0) + good[8:],
                 struct.pack("<ii", 4, -3) + good[8:], struct.pack("<ii", 1, 32769) + b"\0" * 32769]:
        refuse(vss, "bad" + suffix, data)


@pytest.mark.parametrize("suffix", [".fvecs", ".bvecs", ".ivecs"])
def test_bad_vecs_headers(vss, suffix):
    good = vector_bytes(suffix, SMALL)
    stride = len(good) // 4
    for data in [b"", good[:3], good[:4], good[:-1], good + b"\0", struct.pack("<i", 0) + good[4:],
                 struct.pack("<i", -1) + good[4:], struct.pack("<i", 0x7FFFFFFF) + good[4:],
                 struct.pack("<i", 2) + good[4:]]:
        refuse(vss, "bad" + suffix, data)
    line = refuse(vss, "bad" + suffix, good[:stride] + struct.pack("<i", 7) + good[stride + 4:])
    assert "row 1 has 7 columns" in line


BAD_NPY = [
    b"", b"\x93NUMPY", b"\x93NUMPY\1\0\xff\xff", npy_raw("x" * 100)[:60], npy_raw("", version=9),
    npy_raw("{}", version=2, length=0xFFFFFFFF), npy_raw("{}", version=3, length=70000) + b" " * 80000,
    npy_raw("{}"), npy_raw("{'descr': '<f4'}"), npy_raw("{'shape': (1, 1), 'fortran_order': False}", b"\0" * 4),
    npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), ", b"\0" * 4),
    npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 1)}", b"\0" * 4),
    npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", b"\0" * 16),
    npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 1)}", b"\0" * 4),
    npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}", b"\0" * 4),
    npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)}", b"\0" * 5),
    npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 0)}"),
    npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", b"\0" * 4),
    npy_raw("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1)}", b"\0" * 4),
    npy_raw("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", b"\0" * 4),
    npy_raw("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1, 1)}", b"\0" * 4),
    npy_raw("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 1)}", b"\0" * 4),
    npy_raw("{'descr': '<c8', 'fortran_order': False, 'shape': (1, 1)}", b"\0" * 8),
    npy_raw("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}", b"\0" * 8),
    npy_raw("{'descr': '" + "x" * 500 + "', 'fortran_order': False, 'shape': (1, 1)}", b"\0" * 8),
    npy_raw("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1)}", b"\0" * 4),
]


@pytest.mark.parametrize("number", range(len(BAD_NPY)))
def test_bad_npy_headers(vss, number):
    refuse(vss, "bad.npy", BAD_NPY[number])


def test_a_folder_is_no_file(vss):
    (vss.folder / "folder.npy").mkdir()
    words = ["gt", "--base", "folder.npy", "--queries", "q.npy", "--metric", "l2", "--out", "o.ibin"]
    assert "regular" in vss.fails(*words)


def test_values_that_do_not_fit_are_refused(vss):
    for value in [np.nan, np.inf, 1e300]:
        vss.write("v.npy", npy_bytes(np.array([[1.0, value]])))
        vss.fails("gt", "--base", "v.npy", "--queries", "v.npy", "--metric", "l2", "--out", "o.ibin")


def test_dimensions_must_agree(vss):
    vss.write("a.fbin", vector_bytes(".fbin", SMALL))
    vss.write("b.fbin", vector_bytes(".fbin", SMALL[:, :2]))
    line = vss.fails("gt", "--base", "a.fbin", "--queries", "b.fbin", "--metric", "l2", "--out", "o.ibin")
    assert "b.fbin has 2 columns, a.fbin has 3" in line
