"""Everything one exchange step may use, in one value. `gateway.main` builds it; nothing in it is a key."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from contracts.ids import MessageId, NodeId, RecordId, ThreadId, uuid7
from contracts.policy import Overlay, Policy, Tightened
from gateway.exchange.assigning import Assignments
from gateway.exchange.attachment_ports import Blobs
from gateway.exchange.ports import BeginUnitOfWork, Bodies, Clock, LeafBuilder, LogReader, Nudge, Randomness, Transport
from gateway.exchange.timekeeping import Timekeeper
from gateway.exchange.together import Together
from keys.pseudonyms import Pseudonyms
from keys.register.state import TrustState
from keys.sealing import Opener, Sealer

Mode = Literal["actual", "exercise"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a node can do, not what it knows: each field is injected and none is global."""

    us: NodeId
    mode: Mode
    begin: BeginUnitOfWork
    together: Together
    bodies: Bodies
    sealer: Sealer
    opener: Opener
    pseudonyms: Pseudonyms
    leaves: LeafBuilder
    log: LogReader
    trust: Callable[[], TrustState]
    refresh_trust: Callable[[], Awaitable[bool]]
    """Fetch the register once more now (rate limited); True when it changed."""
    nudge: Callable[[Nudge], None]
    """Called after a commit: wakes the loop that has new work. Losing one costs a poll interval, never a message."""
    transport: Transport
    blobs: Blobs
    """Where ciphertexts of attachments lie."""
    attachments_quota: int
    """Bytes of them at most: ours and those that peers send."""
    complain: Callable[[str, Exception], None]
    """Tell our people's log that our own code failed, and where; of the exception its type and place, never its text."""
    clock: Clock
    timekeeper: Timekeeper
    randomness: Randomness
    overlay: Overlay | None = None
    """This node's own restrictions: what it sends is judged by the policy and by these."""
    assignments: Assignments = field(default_factory=Assignments)
    """Which office the work of an exchange goes to."""
    keep_handed_over: timedelta | None = None
    """How long this node keeps its copy of a report that was acknowledged; None: as long as the policy lets it."""

    def tightened(self, policy: Policy) -> Policy | Tightened:
        """Return the policy as this node applies it to what it sends."""
        return policy if self.overlay is None else Tightened(policy, self.overlay)

    def new_message_id(self, now: datetime) -> MessageId:
        """Return a fresh message id."""
        return MessageId(self._uuid7(now))

    def new_thread_id(self, now: datetime) -> ThreadId:
        """Return a fresh thread id."""
        return ThreadId(self._uuid7(now))

    def new_record_id(self, now: datetime) -> RecordId:
        """Return a fresh record id."""
        return RecordId(self._uuid7(now))

    def _uuid7(self, now: datetime) -> str:
        return uuid7(int(now.timestamp() * 1000), self.randomness.token(10))
