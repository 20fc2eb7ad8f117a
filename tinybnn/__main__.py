"""``python -m tinybnn`` and the command ``tinybnn``.

The matrix products of small crops are too small for threads: a second BLAS thread costs more time than it saves. The
program therefore uses one thread, unless the environment says otherwise. NumPy reads these variables only once, when
it is first imported, so they are set before that.
"""

import os
import sys

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")


def main() -> int:
    """Run the command line and return its exit status."""
    from .app import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
