"""Runs the vss tool. VSS_TOOL names it; build/release/vss by default."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("VSS_TOOL") or ROOT / "build" / "release" / "vss").resolve()


class Tool:
    """The tool in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *words):
        words = [str(TOOL), *map(str, words)]
        return subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=120)

    def ok(self, *words):
        """What a command that must succeed prints."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def lines(self, *words):
        """The JSON objects that a command prints, one a line."""
        return [json.loads(line) for line in self.ok(*words, "--json").splitlines()]

    def fails(self, *words, code=1):
        """The one line of a command that must fail."""
        done = self.run(*words)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert done.stderr.startswith("vss: ") and done.stderr.endswith("\n")
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stdout == ""
        return done.stderr

    def write(self, name, text):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


@pytest.fixture
def vss(tmp_path):
    return Tool(tmp_path)
