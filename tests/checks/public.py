"""Every public function is documented where it is declared, and some test names it.

Documented: a comment ends right above the declaration, or stands behind it on its line, or the declaration follows
another one without a blank line, so that one comment speaks for the group.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DECLARED = re.compile(r"^VSS_API\s[^;(]*?\b(vss_[a-z0-9_]+)\s*\(", re.M)
TESTS = ["*.c", "*.h", "*.cpp", "*.py", "*.sh"]


def documented(text, match):
    """Is there a comment for the declaration that begins at match?"""
    end = text.index(";", match.end())
    if re.match(r";[ \t]*/\*", text[end:]):
        return True
    above = text[:match.start()]
    if above.endswith("*/\n"):
        return True
    return bool(re.search(r"(;|; */\*[^\n]*\*/)\n\Z", above)) and documented_group(text, above)


def documented_group(text, above):
    """above ends in a declaration: is that one documented?"""
    before = [m for m in DECLARED.finditer(above)]
    return bool(before) and "\n\n" not in above[before[-1].start():] and documented(text, before[-1])


def main():
    functions, bad = {}, 0
    for path in sorted((ROOT / "include").rglob("*.h")):
        text = path.read_text()
        for match in DECLARED.finditer(text):
            name = match.group(1)
            functions[name] = path
            if not documented(text, match):
                print(f"{path.relative_to(ROOT)}: {name} has no comment")
                bad += 1
        marks = len(re.findall(r"^VSS_API\b", text, re.M))
        if marks != len(DECLARED.findall(text)):
            print(f"{path.relative_to(ROOT)}: {marks} declarations begin with VSS_API, not all of them are understood")
            bad += 1
    tests = "\n".join(path.read_text(errors="replace") for ending in TESTS for path in (ROOT / "tests").rglob(ending)
                      if "checks" not in path.parts)
    named = set(re.findall(r"\bvss_[a-z0-9_]+\b", tests))
    for name, path in sorted(functions.items()):
        if name not in named:
            print(f"{path.relative_to(ROOT)}: {name} is in no test")
            bad += 1
    print(f"public: {len(functions)} functions, {bad} faults")
    return 1 if bad or len(functions) < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
