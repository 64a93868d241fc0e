"""One transaction over all stores, and the bodies that are sealed before it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from contracts.ids import MessageId, ThreadId
from gateway.exchange.case_ports import CaseStores
from gateway.exchange.ports.cases import Alarms, Cases, Imports
from gateway.exchange.ports.departures import Departures
from gateway.exchange.ports.inbox import Inbox
from gateway.exchange.ports.log import AuditStage
from gateway.exchange.ports.outbox import Outbox
from gateway.exchange.ports.restores import Restores
from gateway.exchange.work_ports import WorkItems
from keys.vault import KeptMessage, Provable


class UnitOfWork(CaseStores, Protocol):
    """One transaction. Leaving the block without an exception commits; with one, nothing happened."""

    @property
    def inbox(self) -> Inbox: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def cases(self) -> Cases: ...

    @property
    def imports(self) -> Imports: ...

    @property
    def alarms(self) -> Alarms: ...

    @property
    def audit(self) -> AuditStage: ...

    @property
    def restores(self) -> Restores: ...

    @property
    def departures(self) -> Departures: ...

    @property
    def work_items(self) -> WorkItems: ...


BeginUnitOfWork = Callable[[], AbstractAsyncContextManager[UnitOfWork]]


class Bodies(Protocol):
    """Seals message bodies at rest, one key per thread, kept in the key store (DESIGN 7).

    `seal` returns only when the thread's key is durable: call it before the transaction that stores the body.
    """

    async def seal(self, items: Sequence[tuple[ThreadId, MessageId, Provable]]) -> Sequence[bytes]:
        """Return each message sealed under its thread's key, bound to its message id. Only proven ones are taken.

        Raises:
            StorageError: a thread's key was destroyed (its case was erased), or the key store cannot be written.
        """
        ...

    async def seal_draft(self, thread_id: ThreadId, draft_id: MessageId, data: bytes) -> bytes:
        """Return what is not a message yet, sealed under its thread's key; it can never be opened as a message.

        Raises:
            StorageError: the thread's key was destroyed, or the key store cannot be written.
        """
        ...

    async def open_draft(self, thread_id: ThreadId, draft_id: MessageId, sealed: bytes) -> bytes:
        """Return what `seal_draft` sealed.

        Raises:
            StorageError: the key is gone, or the sealed bytes were changed.
        """
        ...

    async def open(self, thread_id: ThreadId, message_id: MessageId, sealed: bytes) -> KeptMessage:
        """Return the message: verified or signed before it was sealed, authenticated now.

        Raises:
            StorageError: the key is gone, or the sealed bytes were changed.
        """
        ...
