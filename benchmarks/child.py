"""Run one benchmark in this process and print its rows as JSON: ``python -m benchmarks.child NAME``.

The first line gives the BLAS kernel, its threads, and the versions of the libraries.
"""

import json
import os
import sys
from importlib import import_module

from .harness import emit


def environment() -> dict:
    import numpy
    from threadpoolctl import threadpool_info

    blas = next((lib for lib in threadpool_info() if lib["user_api"] == "blas"), {})
    names = "numpy", "torch", "onnxruntime", "openvino"
    versions = {name: sys.modules[name].__version__.split("-")[0] for name in names if name in sys.modules}
    return {
        "blas": f"{blas.get('internal_api', 'unknown')} {blas.get('version', '')}".strip(),
        "kernel": blas.get("architecture", "unknown"),
        "threads": blas.get("num_threads", 0),
        "versions": versions | {"numpy": numpy.__version__},
    }


if __name__ == "__main__":
    module = import_module(f"benchmarks.{sys.argv[1]}")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    print(json.dumps(environment()), flush=True)
    emit(module.rows())
