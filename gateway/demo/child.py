"""One node of the demo as a process that ends with the demo, even when the demo is killed without warning."""

import asyncio
import ctypes
import os
import signal
import sys
from pathlib import Path

from gateway.main.heap import without_rich

_PR_SET_PDEATHSIG = 1  # prctl(2), Linux


def main() -> int:
    """Serve the node whose configuration the command line names, until the process that started us ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            return 0  # it ended before we could ask
    without_rich()
    from gateway.config import load_config  # noqa: PLC0415 - after what is left out
    from gateway.demo.clock import DemoClock  # noqa: PLC0415 - as above
    from gateway.main.serving import serve_node  # noqa: PLC0415 - as above

    config = Path(sys.argv[1])
    return asyncio.run(serve_node(load_config(config), clock=DemoClock(config.parent.parent)))


if __name__ == "__main__":
    sys.exit(main())
