"""One node of the demo as a process that ends with the demo, even when the demo is killed without warning."""

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2), Linux


def main() -> None:
    """Serve the node whose configuration the command line names, until the process that started us ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            return  # it ended before we could ask
    runpy.run_module("gateway.main", run_name="__main__")


if __name__ == "__main__":
    main()
