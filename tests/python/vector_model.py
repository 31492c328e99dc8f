"""What vectors of every type are, in numpy: stored values, and distances as the library defines them."""

import numpy as np

METRICS = {"f32": ["l2", "ip", "cosine"], "f16": ["l2", "ip", "cosine"], "bf16": ["l2", "ip", "cosine"],
           "i8": ["l2", "ip", "cosine"], "u8": ["l2", "ip", "cosine"], "binary": ["hamming", "jaccard"]}
EVERY = [(dtype, metric) for dtype, metrics in METRICS.items() for metric in metrics]


def bfloat16_bits(array):
    """The upper halves of float32 values, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def stored(dtype, array):
    """What comes back from a field that array was given to: [n][dim], of binary bool to [n][dim / 8]."""
    if dtype == "f16":
        return array.astype(np.float16)
    if dtype == "bf16":
        return (bfloat16_bits(array).astype(np.uint32) << 16).view(np.float32)
    if dtype == "binary":
        return np.packbits(array, axis=1, bitorder="little")
    return array


def widened(dtype, values):
    """Components as float64 of what stored() returns."""
    if dtype == "binary":
        values = np.unpackbits(values, axis=1, bitorder="little")
    return values.astype(np.float64)


def lanes(products):
    """Sum [n][dim] float64 as the library defines it: component i to lane i % 8, in order, then pairwise."""
    n, dim = products.shape
    padded = np.zeros((n, -(-dim // 8) * 8))
    padded[:, :dim] = products
    sums = np.zeros((n, 8))
    for start in range(0, padded.shape[1], 8):
        sums += padded[:, start:start + 8]
    pairs = sums[:, 0::2] + sums[:, 1::2]
    return (pairs[:, 0] + pairs[:, 1]) + (pairs[:, 2] + pairs[:, 3])


def distances(metric, rows, query):
    """float32 [n] between float64 [n][dim] and [dim]."""
    a, b = rows, query[None, :]
    if metric == "l2":
        found = lanes((a - b) ** 2)
    elif metric == "ip":
        found = lanes(a * b)
    elif metric == "cosine":
        found = lanes(a * b) / (np.sqrt(lanes(a * a)) * np.sqrt(lanes(b * b)))
    elif metric == "hamming":
        found = (a != b).sum(axis=1).astype(np.float64)
    else:
        either = np.maximum(a, b).sum(axis=1)
        found = np.where(either > 0, 1 - np.minimum(a, b).sum(axis=1) / np.maximum(either, 1), 0.0)
    return found.astype(np.float32) + np.float32(0)


def smaller_is_nearer(metric):
    return metric not in ("ip", "cosine")
