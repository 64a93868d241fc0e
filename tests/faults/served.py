"""`python -m tests.faults.served CONFIG [BUG]`: a node with a planted bug, as a process of its own (under strace, say)."""

import sys
from pathlib import Path

from tests.faults.zygote import serve

if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
