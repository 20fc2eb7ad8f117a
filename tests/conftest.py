"""One BLAS thread: threaded products collapse when a neighbour holds a core, and results are the same to the bit."""

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
