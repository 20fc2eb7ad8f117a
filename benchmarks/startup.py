"""``import tinybnn`` against ``import numpy``, each in a fresh interpreter."""

import os
import subprocess
import sys

from .harness import Row, in_turn


def importing(module):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # compiled once, as when installed
    return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True, env=env)


def rows():
    timed = in_turn({"numpy": importing("numpy"), "tinybnn": importing("numpy, tinybnn"), "nothing": importing("sys")})
    yield Row(
        "import tinybnn over import numpy", "fresh interpreters", timed.ratio("tinybnn", "numpy"), timed.ms(), 1.3, True
    )
