"""One transaction over all stores, and the bodies that are sealed before it."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from contracts.ids import MessageId, ThreadId
from gateway.exchange.attachment_ports import Attachments
from gateway.exchange.candidate_ports import CandidateVerdicts
from gateway.exchange.case_ports import CaseStores
from gateway.exchange.erasure_ports import Erasures
from gateway.exchange.notice_ports import Hooks, Mails, Notices
from gateway.exchange.oversight_ports import Windows
from gateway.exchange.ports.cases import Alarms, Cases, Imports
from gateway.exchange.ports.departures import Departures
from gateway.exchange.ports.drafts import FormDrafts, TakenReports
from gateway.exchange.ports.inbox import Inbox
from gateway.exchange.ports.log import AuditStage
from gateway.exchange.ports.outbox import Outbox
from gateway.exchange.ports.restores import Restores
from gateway.exchange.sheet_ports import Sheets
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

    @property
    def erasures(self) -> Erasures: ...

    @property
    def windows(self) -> Windows: ...

    @property
    def attachments(self) -> Attachments: ...

    @property
    def candidates(self) -> CandidateVerdicts: ...

    @property
    def form_drafts(self) -> FormDrafts: ...

    @property
    def taken_reports(self) -> TakenReports: ...

    @property
    def notices(self) -> Notices: ...

    @property
    def hooks(self) -> Hooks: ...

    @property
    def mails(self) -> Mails: ...

    @property
    def sheets(self) -> Sheets: ...


BeginUnitOfWork = Callable[[], AbstractAsyncContextManager[UnitOfWork]]


class Bodies(Protocol):
    """Seals message bodies at rest, one key per thread, kept in the key store (decision 4).

    `seal` returns only when the thread's key is durable: call it before the transaction that stores the body.
    """

    async def seal(self, items: Sequence[tuple[ThreadId, MessageId, Provable]], *, arriving: bool = False) -> Sequence[bytes]:
        """Return each message sealed under its thread's key, bound to its message id. Only proven ones are taken.

        `arriving`: it came from a peer, and is kept where its thread is blocked too, so that it is erased with it.

        Raises:
            ThreadErasedError: a thread's key was destroyed, or the thread is blocked.
            StorageError: the key store cannot be written.
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
            ThreadErasedError: the key was destroyed, or the thread is blocked.
            StorageError: the key is gone, or the sealed bytes were changed.
        """
        ...

    async def block(self, thread_ids: Iterable[ThreadId], *, blocked: bool = True) -> None:
        """Let nothing be opened or said with these threads' keys from now on; or, with False, let it again.

        Durable when it returns. Another process of the node may go on for some seconds.
        """
        ...

    async def destroy(self, thread_ids: Iterable[ThreadId]) -> None:
        """Destroy threads' keys: every copy of what they sealed is unreadable from here on, old backups included."""
        ...
