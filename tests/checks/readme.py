"""The README's first program is examples/01_hello.c, which the build compiles and this runs."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
shown = re.search(r"```c\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
source = (ROOT / "examples" / "01_hello.c").read_text()
code = source[source.index("#include"):]
if shown != code:
    sys.exit("readme: the first program differs from examples/01_hello.c")
out = subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True).stdout
if out != "row 1, squared distance 1\nrow 0, squared distance 18\n":
    sys.exit(f"readme: the first program printed {out!r}")
print("readme: the first program runs as shown")
