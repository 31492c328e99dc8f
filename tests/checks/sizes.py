"""Files and lines stay short: a warning above 600 lines, a failure above 900 or 120 columns (docs/architecture.md)."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["include", "lib", "simd", "index", "gpu", "plugins", "bench", "bindings", "examples", "tests", "cmake",
           ".ci"]
ENDINGS = {".c", ".h", ".cpp", ".cu", ".cuh", ".py", ".sh", ".cmake"}
WARN, FAIL, COLUMNS = 600, 900, 120


def main():
    lengths, wide = {}, 0
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in ENDINGS and path.is_file():
                lines = path.read_text(encoding="utf-8").split("\n")
                name = path.relative_to(ROOT).as_posix()
                lengths[name] = len(lines) - 1
                for number, line in enumerate(lines, 1):
                    if len(line) > COLUMNS:
                        print(f"{name}:{number}: {len(line)} columns, wanted at most {COLUMNS}")
                        wide += 1
    for name, lines in sorted(lengths.items()):
        if lines > WARN:
            print(f"{name}: {lines} lines, {'above' if lines > FAIL else 'warning: wanted at most'} "
                  f"{FAIL if lines > FAIL else WARN}")
    print(f"sizes: {len(lengths)} files, {sum(lengths.values())} lines, the longest {max(lengths.values(), default=0)}")
    return 1 if len(lengths) < 50 or any(lines > FAIL for lines in lengths.values()) or wide else 0


if __name__ == "__main__":
    sys.exit(main())
