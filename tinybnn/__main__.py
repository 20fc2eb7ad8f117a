"""``python -m tinybnn`` and the command ``tinybnn``.

The products of tiny crops are so small that a second BLAS thread costs more than it brings, and a hundred times more
where a neighbour holds the other core. So the program takes one, unless the environment says otherwise; NumPy reads
these variables once, when it is first imported.
"""

import os
import sys

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")


def main() -> int:
    """Run the command line; return its exit status."""
    from .app.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
