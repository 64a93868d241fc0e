"""`python -m gateway.main CONFIG` is `paradero serve --config CONFIG` without the rest of the command line in memory."""

import asyncio
import sys
from pathlib import Path

from gateway.main.heap import without_rich


def main() -> int:
    """Serve the node of the configuration given."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m gateway.main CONFIG\n")
        return 2
    without_rich()
    from contracts.errors import ExchangeError  # noqa: PLC0415 - after what is left out
    from gateway.config import load_config  # noqa: PLC0415 - as above
    from gateway.main.serving import serve_node  # noqa: PLC0415 - as above

    try:
        return asyncio.run(serve_node(load_config(Path(sys.argv[1]))))
    except ExchangeError as error:
        sys.stderr.write(f"{error} {error.advice}\n")
        return 3


sys.exit(main())
