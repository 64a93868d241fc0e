"""One transaction over all stores. Whatever the database says no to becomes one typed error without a value in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.errors import StorageError
from gateway.exchange.ports import BeginUnitOfWork, UnitOfWork
from gateway.storage.attachments import SqlAttachments
from gateway.storage.audit import SqlAuditStage
from gateway.storage.cases import SqlAlarms, SqlCases, SqlImports
from gateway.storage.consents import SqlConsents
from gateway.storage.departures import SqlDepartures
from gateway.storage.disclosures import SqlLedger
from gateway.storage.drafts import SqlFormDrafts, SqlTakenReports
from gateway.storage.engine import disk_failure, error_code
from gateway.storage.erasures import SqlErasures
from gateway.storage.exchanges import SqlExchanges
from gateway.storage.holds import SqlHolds
from gateway.storage.inbox import SqlInbox
from gateway.storage.notices import SqlNotices
from gateway.storage.outbox import SqlOutbox
from gateway.storage.restores import SqlRestores
from gateway.storage.sheets import SqlSheets
from gateway.storage.telling import SqlHooks, SqlMails
from gateway.storage.verdicts import SqlCandidateVerdicts
from gateway.storage.windows import SqlWindows
from gateway.storage.work_items import SqlWorkItems


class DiskFailedError(StorageError):
    """The disk refused a write or a sync. Nothing may be promised any more: the process must end (reliability R10)."""


class SqlUnitOfWork:
    """The stores of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.inbox = SqlInbox(connection)
        self.outbox = SqlOutbox(connection)
        self.cases = SqlCases(connection)
        self.imports = SqlImports(connection)
        self.alarms = SqlAlarms(connection)
        self.audit = SqlAuditStage(connection)
        self.restores = SqlRestores(connection)
        self.exchanges = SqlExchanges(connection)
        self.ledger = SqlLedger(connection)
        self.consents = SqlConsents(connection)
        self.holds = SqlHolds(connection)
        self.departures = SqlDepartures(connection)
        self.work_items = SqlWorkItems(connection)
        self.erasures = SqlErasures(connection)
        self.windows = SqlWindows(connection)
        self.attachments = SqlAttachments(connection)
        self.candidates = SqlCandidateVerdicts(connection)
        self.form_drafts = SqlFormDrafts(connection)
        self.taken_reports = SqlTakenReports(connection)
        self.notices = SqlNotices(connection)
        self.hooks = SqlHooks(connection)
        self.mails = SqlMails(connection)
        self.sheets = SqlSheets(connection)


def unit_of_work_factory(engine: AsyncEngine) -> BeginUnitOfWork:
    """Return the function that opens a transaction on `engine`."""

    @asynccontextmanager
    async def begin() -> AsyncIterator[UnitOfWork]:
        with typed_errors():
            async with engine.begin() as connection:
                yield SqlUnitOfWork(connection)

    return begin


class typed_errors:  # noqa: N801 - reads as a context: with typed_errors():
    """Turns database errors into StorageError; the driver's text, which can hold values, goes no further."""

    def __enter__(self) -> None:
        """Enter."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Replace a database error."""
        if isinstance(error, SQLAlchemyError | OSError):
            raise _typed(error) from None


def _typed(error: SQLAlchemyError | OSError) -> StorageError:
    cause: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    if code := disk_failure(cause):
        return DiskFailedError(f"the disk failed: {code}")
    return StorageError(f"the database refused: {error_code(cause)}")
