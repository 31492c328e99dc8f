"""Exact search with torch on the same card, beside vss-bench-gpu: matmul and topk, as one writes it.

compare_torch.py [ROWS [BATCH]]. The same shapes: float32 rows of 128 and of 960 components, squared l2, k = 10; queries
come from the host and answers go back to it. Queries go in chunks whose distances fit 4 GiB; with and without TF32.
Medians of 9. Exit code 3: no torch, or no card for it.
"""

import statistics
import sys
import time

K, RUNS, CHUNK = 10, 9, 1 << 30  # CHUNK: distances at once


def search(torch, rows, norms, queries):
    """The nearest rows of queries of the host."""
    step = max(1, CHUNK // len(rows))
    found = []
    for first in range(0, len(queries), step):
        some = queries[first:first + step].cuda(non_blocking=True)
        distances = torch.addmm(norms[None, :], some, rows.T, alpha=-2)
        found.append(torch.topk(distances, K, dim=1, largest=False).indices)
    return torch.cat(found).cpu()


def measure(torch, rows, norms, queries):
    times = []
    for run in range(RUNS + 3):  # three to warm up
        torch.cuda.synchronize()
        begin = time.perf_counter()
        search(torch, rows, norms, queries)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[3:])


def main():
    try:
        import torch
    except ImportError:
        print("compare-torch: nothing was measured: there is no torch")
        return 3
    if not torch.cuda.is_available():
        print("compare-torch: nothing was measured: torch finds no card")
        return 3
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    print(f"torch {torch.__version__} on {torch.cuda.get_device_name()}")
    print("      rows   dim   batch    float32, ms     TF32, ms")
    for dim in (128, 960):
        rows = torch.rand(n, dim, device="cuda") * 2 - 1
        norms = (rows * rows).sum(1)
        for batch in (size for size in (1, 10, 100, 10000) if size <= most):
            queries = (torch.rand(batch, dim) * 2 - 1).pin_memory()
            taken = []
            for tf32 in (False, True):
                torch.backends.cuda.matmul.allow_tf32 = tf32
                taken.append(measure(torch, rows, norms, queries) * 1e3)
            print(f"{n:10} {dim:5} {batch:7} {taken[0]:14.3f} {taken[1]:12.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
