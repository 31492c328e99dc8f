"""Writers of the vector files that the tool reads."""
import io
import json
import struct

import numpy as np

SUFFIX_TYPES = {".fvecs": "<f4", ".bvecs": "u1", ".ivecs": "<i4", ".fbin": "<f4", ".u8bin": "u1", ".i8bin": "i1",
                ".ibin": "<i4"}


def vector_bytes(suffix, array):
    """The bytes of a file of that kind."""
    rows = np.ascontiguousarray(array, SUFFIX_TYPES[suffix])
    if suffix.endswith("vecs"):
        return b"".join(struct.pack("<i", rows.shape[1]) + row.tobytes() for row in rows)
    return struct.pack("<ii", *rows.shape) + rows.tobytes()


def npy_bytes(array, version=(1, 0)):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version)
    return out.getvalue()


def read_ibin(path):
    data = np.fromfile(path, "<i4")
    return data[2:].reshape(data[0], data[1])


def schema(*fields, dim=4, metric="l2", dtype="f32"):
    """A schema file with a string key, these fields and a vector."""
    key = {"name": "name", "type": "string", "primary": True}
    vector = {"name": "v", "type": f"vector<{dtype}>", "dim": dim, "metric": metric}
    return json.dumps({"fields": [key, *fields, vector]})


def json_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def exact(base, queries, k, metric):
    """Row numbers of the k nearest, ties by row number, in float64; of hamming and jaccard for rows of 0 and 1."""
    base, queries = base.astype(np.float64), queries.astype(np.float64)
    if metric == "cosine":
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    if metric == "l2":
        score = ((queries[:, None, :] - base[None, :, :]) ** 2).sum(2)
    elif metric in ("hamming", "jaccard"):
        both, differ = queries @ base.T, (queries[:, None, :] != base[None, :, :]).sum(2)
        score = differ if metric == "hamming" else np.where(both + differ > 0, differ / np.maximum(both + differ, 1), 0)
    else:
        score = -(queries @ base.T)
    return np.argsort(score, axis=1, kind="stable")[:, :k]
