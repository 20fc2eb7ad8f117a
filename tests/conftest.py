"""One BLAS thread: threaded products collapse when a neighbour holds a core, and results are the same to the bit."""

import os

import pytest

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

TINY = ["--width", "4", "--stages", "1", "--depth", "1", "--batch", "2", "--crop", "32", "--levels", "1", "2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small trained run on the shipped photographs."""
    from tinybnn.app.cli import main  # NumPy is loaded after the variables above are set

    folder = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "--data", "photos", "--out", str(folder), "--steps", "3", *TINY]) == 0
    return folder
