"""The child process: cleans one picture or PDF and can do nothing else; what is clean goes to stdout after a line of JSON.

Run as `python -m adapters.attached.child`; the file comes on stdin.
"""

import resource
import sys
from json import dumps

from adapters.attached.ending import refuse
from adapters.attached.pdfs import clean_pdf
from adapters.attached.pictures import PLUGINS, clean_picture
from contracts.attachments import MAX_CONTENT

MEMORY = 1024 * 1024 * 1024
CPU_SECONDS = 30
_OFFICE = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf")
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


def limit_resources() -> None:
    """Take away what cleaning does not need: more memory, time, files, sockets, processes."""
    if not PLUGINS:
        raise RuntimeError("the readers must be there before no file can be opened")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        resource.setrlimit(limit, (0, 0))


def clean(data: bytes) -> tuple[str, bytes]:
    """Return the media type and the bytes of what is clean. What a file is, its first bytes say, never its name."""
    if not data:
        refuse("attachment-empty")
    if len(data) > MAX_CONTENT:
        refuse("attachment-too-large")
    if data.startswith(_OFFICE):
        refuse("attachment-is-office")
    if data.startswith((_JPEG, _PNG)) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        kind, cleaned = clean_picture(data)
    elif data.lstrip()[:5] == b"%PDF-":
        kind, cleaned = "application/pdf", clean_pdf(data)
    elif data.startswith(b"GIF8"):
        refuse("picture-moves")
    else:
        refuse("attachment-kind")
    if len(cleaned) > MAX_CONTENT:
        refuse("attachment-too-large")
    return kind, cleaned


def main() -> None:
    """Read, clean, write."""
    data = sys.stdin.buffer.read(MAX_CONTENT + 1)
    limit_resources()
    try:
        kind, cleaned = clean(data)
    except MemoryError:
        refuse("reading-failed")
    sys.stdout.buffer.write(dumps({"mt": kind}).encode() + b"\n" + cleaned)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
