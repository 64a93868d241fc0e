"""Has a picture or PDF cleaned by a child that can do nothing else."""

from dataclasses import dataclass, field

from adapters.attached.ending import EXIT_REFUSED
from adapters.attached.refusals import refused
from adapters.tabular.sandbox import run_child
from contracts.attachments import MAX_CONTENT, MEDIA_TYPES
from contracts.codec import parse_object
from contracts.errors import ExchangeError

WALL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A picture or document as it may leave: only what can be seen on it."""

    media_type: str
    content: bytes = field(repr=False)


def clean_attachment(data: bytes, *, seconds: float = WALL_SECONDS) -> Cleaned:
    """Return a JPEG, PNG, WebP or PDF drawn or written anew; its file name is not asked for.

    Raises:
        SourceRefusedError: another kind, too large, locked, or not readable within the child's limits.
    """
    if len(data) > MAX_CONTENT:
        raise refused("attachment-too-large")
    ran = run_child("adapters.attached.child", data, seconds=seconds, most=MAX_CONTENT + 1024)
    if ran.late:
        raise refused("reading-took-too-long")
    line, _, content = ran.output.partition(b"\n")
    try:
        said = parse_object(line, limit=1024, depth=1)
    except ExchangeError:
        raise refused("reading-failed") from None
    if ran.code == EXIT_REFUSED:
        raise refused(str(said.get("refused")))
    kind = said.get("mt")
    if ran.code != 0 or kind not in MEDIA_TYPES or not 0 < len(content) <= MAX_CONTENT:
        raise refused("reading-failed")
    return Cleaned(str(kind), content)
