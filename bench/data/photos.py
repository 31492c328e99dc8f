#!/usr/bin/python3
"""Descriptors of real photographs, those of Debian's wallpaper packages: photos.py sift|hog FOLDER [ROWS] [QUERIES]

sift: 128 bytes a key point, some 850,000 different ones, to compare under l2. hog: histograms of oriented gradients of
windows of 48 x 48, 900 float32, some 100,000. Writes FOLDER/<kind>-base and <kind>-query (.u8bin, .fbin: int32 rows,
int32 components, then the rows). Queries come from photographs that give no row. The same packages give the same bytes.
"""
import hashlib
import pathlib
import sys

try:
    import cv2
    import numpy as np
except ImportError as missing:
    sys.exit(f"photos.py: {missing}: apt-get install python3-opencv")

ROOTS = ["/usr/share/backgrounds", "/usr/share/wallpapers"]
PACKAGES = ["gnome-backgrounds", "mate-backgrounds", "plasma-workspace-wallpapers", "lomiri-wallpapers-16.04",
            "lomiri-wallpapers-20.04", "ukui-wallpapers"]
SIDE = 2600  # pixels, of the longer side at most
LEAST = 600  # of the shorter side
QUERY_ONE_IN = 8  # photographs


def asks(name):
    """Do the descriptors of the file become queries: fixed by its name."""
    return int(hashlib.sha1(name.encode()).hexdigest(), 16) % QUERY_ONE_IN == 0


def files():
    """One file a picture: where a wallpaper ships several sizes, the largest."""
    found = sorted(path for root in ROOTS for path in pathlib.Path(root).rglob("*")
                   if path.suffix in (".jpg", ".jpeg", ".png", ".webp") and not path.is_symlink())
    largest = {}
    for path in found:
        group = path.parent if "contents" in path.parts else path
        if group not in largest or path.stat().st_size > largest[group].stat().st_size:
            largest[group] = path
    return largest.values()


def pictures():
    """(path, grey picture), each picture once."""
    seen = set()
    for path in files():
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is None or min(image.shape) < LEAST:
            continue
        scale = min(1, SIDE / max(image.shape))
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).tobytes()
        if small not in seen:
            seen.add(small)
            yield path, image


def sift(image):
    found = cv2.SIFT_create(nfeatures=40000, contrastThreshold=0.01).detectAndCompute(image, None)[1]
    return np.empty((0, 128), np.uint8) if found is None else np.unique(found.astype(np.uint8), axis=0)


def hog(image):
    windows = cv2.HOGDescriptor((48, 48), (16, 16), (8, 8), (8, 8), 9)
    parts = [np.empty((0, 900), np.float32)]
    for scale in (1.0, 0.6, 0.35):
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if min(small.shape) >= 96:
            parts.append(windows.compute(small, winStride=(24, 24)).reshape(-1, 900))
    found = np.concatenate(parts).astype(np.float32)
    return found[np.linalg.norm(found, axis=1) > 1e-3]  # no flat sky


def write(path, rows):
    with open(path, "wb") as file:
        np.array(rows.shape, np.int32).tofile(file)
        np.ascontiguousarray(rows).tofile(file)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("sift", "hog"):
        sys.exit("usage: photos.py sift|hog FOLDER [ROWS] [QUERIES]")
    kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    rows, queries = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((3, 800000), (4, 1000)))
    base, query = [], []
    for path, image in pictures():
        (query if asks(str(path)) else base).append(sift(image) if kind == "sift" else hog(image))
    if not base or not query:
        sys.exit(f"photos.py: no photographs: apt-get install {' '.join(PACKAGES)}")
    rng = np.random.default_rng(7)
    every = np.unique(np.concatenate(base), axis=0)
    rng.shuffle(every)
    asked = rng.permutation(np.concatenate(query))
    suffix = "u8bin" if kind == "sift" else "fbin"
    write(folder / f"{kind}-base.{suffix}", every[:rows])
    write(folder / f"{kind}-query.{suffix}", asked[:queries])


if __name__ == "__main__":
    main()
