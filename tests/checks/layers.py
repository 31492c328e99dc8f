"""Dependencies point one way: read every #include line and fail on one that points up or out (docs/architecture.md)."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Each layer and the layers whose headers it may include, besides its own and include/.
LAYERS = {
    "lib/base": [],
    "lib/storage": ["lib/base"],
    "simd": ["lib/base"],
    "index": ["simd", "lib/base"],
    "lib/format": ["index", "simd", "lib/storage", "lib/base"],
    "lib/filter": ["lib/format", "lib/storage", "lib/base"],
    "lib/collection": ["lib/filter", "lib/format", "index", "simd", "lib/storage", "lib/base"],
    "lib/api": ["lib/collection", "lib/filter", "lib/format", "index", "simd", "lib/storage", "lib/base"],
    "include": [],
    "plugins": [],
    "gpu": [],
    "examples": [],
}
PUBLIC_ONLY = ["examples", "bench"]
BENCH_MAY_SEE_INSIDE = {"bench_scan.c", "bench_kmeans.c", "bench_kernels.c", "simsimd_loop.h"}  # kernel benchmarks
SYSTEM_ALLOWED = ["lib/base", "lib/storage", "bench", "examples"]
# Plug-ins and devices bring libraries of their own; C++ headers have no ending.
OWN_HEADERS = {"plugins": ("faiss/", "dlfcn.h"),
               "gpu": ("cuda_runtime.h", "cuda_runtime_api.h", "cublas_v2.h", "pthread.h")}
ISO_C = {"assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdalign.h", "stdarg.h",
         "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "time.h"}
LIBRARIES = {"zstd.h": ["lib/format"], "jansson.h": ["lib/format", "lib/collection"], "xxhash.h": ["lib/base"],
             "cpuid.h": ["simd"], "immintrin.h": ["simd"], "x86intrin.h": ["simd"],
             "arm_neon.h": ["simd"], "sys/auxv.h": ["simd"]}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def layer_of(path):
    name = path.relative_to(ROOT).as_posix()
    return next((l for l in sorted(LAYERS, key=len, reverse=True) if name.startswith(l + "/")), None)


def faults(path, layer):
    for kind, target in INCLUDE.findall(path.read_text()):
        if target == "vss.h" or target.startswith("vss/"):
            continue
        if kind == "<":
            if layer in OWN_HEADERS and (target.startswith(OWN_HEADERS[layer]) or "." not in target):
                continue
            if target in ISO_C or target in LIBRARIES and layer in LIBRARIES[target]:
                continue
            if not any(layer == a for a in SYSTEM_ALLOWED):
                yield f"<{target}> is a system header"
            continue
        resolved = (path.parent / target).resolve()
        if not resolved.exists() and layer == "include":
            resolved = ROOT / "include" / "vss" / target
        other = layer_of(resolved)
        if other != layer and other not in LAYERS.get(layer, []) + ["include"]:
            yield f'"{target}" is in {other or resolved}'


def main():
    bad = checked = 0
    for layer in LAYERS:
        for path in sorted(p for p in (ROOT / layer).rglob("*") if p.suffix in (".c", ".h", ".cpp")):
            if layer_of(path) != layer:
                continue
            checked += 1
            for fault in faults(path, layer):
                print(f"{path.relative_to(ROOT)}: {fault}")
                bad += 1
    for path in sorted((ROOT / "bench").glob("*.[ch]")):
        checked += 1
        if path.name in BENCH_MAY_SEE_INSIDE:
            continue
        for kind, target in INCLUDE.findall(path.read_text()):
            if kind == '"' and target != "vss.h" and not target.startswith("vss/") and "/" in target:
                print(f'{path.relative_to(ROOT)}: "{target}" is not in include/')
                bad += 1
    names = {}
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.c"):
            names.setdefault(path.name, []).append(path)
    for name, paths in names.items():
        if len(set(paths)) > 1:
            print(f"{name}: stands in {len(set(paths))} folders")
            bad += 1
    print(f"layers: {checked} files read, {bad} breaches")
    return 1 if bad or checked < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
