"""libvss_gpu.so itself: what it exports and needs, and the one line it has where it can't be used.

VSS_GPU_PLUGIN names it; without one there was no CUDA compiler, and nothing is tested.
"""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGIN = os.environ.get("VSS_GPU_PLUGIN")
HOST = ROOT / "build" / "gpu" / "host" / "libvss_gpu_host.so"
TOOL = os.environ.get("VSS_TOOL", str(ROOT / "build" / "release" / "vss"))


def tool(options):
    """What the tool says that is asked for a device of the library."""
    return subprocess.run([TOOL, "--device-library", f"{PLUGIN}{options}", "help"], capture_output=True, text=True,
                          check=False)


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return [line.split()[-1] for line in lines]


@pytest.mark.parametrize("library", [HOST, PLUGIN])
def test_exports(library):
    if library is None:
        pytest.skip("no CUDA compiler: there is no libvss_gpu.so")
    assert exported(library) == ["vss_device_main"]


@pytest.mark.parametrize("library", ["libvss.so.0", "vss"])
def test_libvss_needs_no_cuda(library):
    needed = subprocess.run(["objdump", "-p", str(ROOT / "build" / "release" / library)], capture_output=True,
                            text=True, check=True).stdout.lower()
    assert "needed" in needed and "cuda" not in needed and "cublas" not in needed


@pytest.mark.skipif(PLUGIN is None, reason="no CUDA compiler: there is no libvss_gpu.so")
@pytest.mark.parametrize("options,line", [
    ("", "no kernel of this device has run on a GPU yet; with the option experimental=1 it is used all the same"),
    (",size=3", 'cuda: option "size=3": wanted experimental=1, memory_mb=, tile_kb=, codes= or gpu='),
    (",experimental=1,gpu=1000", "cuda: "), (",experimental=1,memory_mb=x", "option memory_mb=x: expected a number")])
def test_refusals(options, line):
    done = tool(options)
    assert done.returncode != 0 and line in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(PLUGIN is None, reason="no CUDA compiler: there is no libvss_gpu.so")
def test_no_gpu():
    done = tool(",experimental=1")
    if done.returncode == 0:
        pytest.skip("there is a GPU")
    assert "cuda: cudaGetDeviceCount: " in done.stderr and done.stderr.count("\n") == 1
