"""The test of the tests: plants each bug of bugs.txt in a copy of the tree and demands that some test fails.

run.py [BUG...]: those only. run.py --apply: are all the edits still possible? The copy lies in build/planted; a bug
costs the build of one file, the linking of the programs that are tried, and their time up to the first that fails. Exit
1 when a bug stays unnoticed, when an edit no longer applies, or when a program fails without any bug.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "planted" / "tree"
BUILD = ROOT / "build" / "planted" / "build"
PARTS = ["CMakeLists.txt", "CMakePresets.json", "cmake", "include", "lib", "simd", "index", "tests", "bench", 
         "examples", "gpu", "bindings", "README.md", "LICENSE"]
# What is tried for every bug, quickest first.
PROGRAMS = ["test_wal", "test_log_storage", "test_syscalls", "test_deletes", "test_leftovers", "test_storage",
            "test_posix", "test_bits", "test_salvage", "test_bytes", "test_mended", "test_injected",
            "test_programs", "test_faults", "test_crash"]
SECONDS = 600
JOBS = os.environ.get("VSS_JOBS", "2")


def read_bugs():
    """[{name, what, file, first, old, new}]"""
    bugs = []
    for line in (ROOT / "tests" / "planted" / "bugs.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("== "):
            name, what = line[3:].split(": ", 1)
            bugs.append({"name": name, "what": what, "old": [], "new": []})
        elif line[:2] in ("- ", "+ "):
            bugs[-1]["old" if line[0] == "-" else "new"].append(line[2:])
        else:
            file, first = line.split(" | ")
            bugs[-1].update(file=file, first=first.split())
    return bugs


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          **options)


def build(targets):
    done = run(["cmake", "--build", str(BUILD), "-j", JOBS, "--target", *targets])
    return done.returncode == 0, done.stdout


def prepare():
    shutil.rmtree(COPY.parent, ignore_errors=True)
    COPY.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, COPY / part, symlinks=True)
        elif source.exists():
            shutil.copy2(source, COPY / part)
    flags = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS=-O1 -w"]
    done = run(["cmake", "-G", "Ninja", "-S", str(COPY), "-B", str(BUILD), *flags])
    if done.returncode != 0:
        sys.exit(f"planted: cmake: {done.stdout}")
    good, text = build(PROGRAMS)
    if not good:
        sys.exit(f"planted: the tree does not build: {text[-2000:]}")


def fails(program):
    """Did the program notice anything?"""
    environment = dict(os.environ, VSS_TIER="quick", CMOCKA_TEST_ABORT="1")
    try:
        return run([str(BUILD / "tests" / program)], timeout=SECONDS, env=environment, cwd=BUILD).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def edited(bug, sound):
    """The sound text with the bug in it. Raises ValueError where the edit does not apply."""
    old = "".join(line + "\n" for line in bug["old"])
    if sound.count(old) != 1:
        raise ValueError(f"its text is in {bug['file']} {sound.count(old)} times, must be once")
    return sound.replace(old, "".join(line + "\n" for line in bug["new"]))


def apply_all(bugs):
    """Do all edits apply? A line for each that doesn't."""
    bad = 0
    for bug in bugs:
        try:
            edited(bug, (ROOT / bug["file"]).read_text())
        except ValueError as error:
            print(f"planted: {bug['name']}: {error}")
            bad += 1
    print(f"planted: {len(bugs)} bugs, {len(bugs) - bad} apply")
    return 1 if bad else 0


def plant(bug):
    """The name of the program that noticed the bug; None: none. Raises ValueError where the edit does not apply."""
    path = COPY / bug["file"]
    sound = path.read_text()
    path.write_text(edited(bug, sound))
    try:
        for program in bug["first"] + [name for name in PROGRAMS if name not in bug["first"]]:
            good, text = build([program])
            if not good:
                raise ValueError(f"it does not compile: {text[-600:]}")
            if fails(program):
                return program
        return None
    finally:
        path.write_text(sound)


def main():
    if sys.argv[1:] == ["--apply"]:
        return apply_all(read_bugs())
    chosen, bad = sys.argv[1:], 0
    bugs = [bug for bug in read_bugs() if not chosen or bug["name"] in chosen]
    prepare()
    needed = {name for bug in bugs for name in bug["first"]} if chosen else set(PROGRAMS)
    for program in sorted(needed):
        if fails(program):
            sys.exit(f"planted: {program} fails without any bug")
    for bug in bugs:
        begin = time.monotonic()
        try:
            noticed = plant(bug)
        except ValueError as error:
            noticed, bad = f"ERROR: {error}", bad + 1
        bad += noticed is None
        print(f"{bug['name']:24} {noticed or 'NOT NOTICED':18} {time.monotonic() - begin:5.0f} s  {bug['what']}",
              flush=True)
    print(f"planted: {len(bugs)} bugs, {len(bugs) - bad} noticed")
    return 1 if bad or len(bugs) < (1 if chosen else 20) else 0


if __name__ == "__main__":
    sys.exit(main())
