"""
Every failure a peer or an operator can be told about (SPEC 9):

* ExchangeError
  x MalformedError              bytes that are no message
  x SchemaError                 JSON that is no message of a known type
  x UnsupportedError            a version, type or content type this node does not speak
  x TooLargeError
  x EnvelopeError               does not open with any key of ours
  x KeyRetiredError             (retryable) sealed to a key we no longer have: seal again
  x SenderUnknownError          (retryable) signed by a key that is in no register version we have
  x SenderSuspendedError        the register, or the node itself, says: nothing from it now
  x SignatureError
  x NotAddressedToUsError
  x MessageConflictError        one id, two contents
  x ExpiredError
  x NotYetValidError            from the future: somebody's clock is wrong
  x TrustStaleError             (retryable) one side must refresh the register first
  x PolicyUnknownError          judged by a policy version we do not have, or too old
  x NotPermittedError           the policy has no such flow
    x UnknownCaseError          no such case here (for our own people)
  x OverDisclosureError         carries more than the policy allows
  x RecordInvalidError
  x WrongModeError              exercise here, actual there
  x NotHandledError             understood, but this node has nobody for it
  x SlowDownError               (retryable)
  x LockedError                 (retryable) the node's keys are not opened yet
  x PeerUnavailableError        (retryable) no answer, or one that proves nothing
  x StorageError                (retryable) our own database cannot promise anything just now
    x ThreadErasedError         what is asked for was erased, or is blocked because it is to be
  x FaultError                  (retryable) our own code failed on it
  x ClockWrongError             (retryable) our own clock jumped: nothing is decided by it
  x BackupRefusedError          a backup that is damaged, foreign, expired or not for this node
  x ConfigurationError          what an administrator must change before the node can run
"""

from enum import StrEnum
from typing import ClassVar


class ProblemCode(StrEnum):
    """The last part of a problem's `type` (RFC 9457) and of a rejection's `code`. Wire format: add, never rename."""

    MALFORMED = "malformed"
    SCHEMA = "schema"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too-large"
    ENVELOPE = "envelope"
    KEY_RETIRED = "key-retired"
    SENDER_UNKNOWN = "sender-unknown"
    SENDER_SUSPENDED = "sender-suspended"
    SIGNATURE = "signature"
    NOT_ME = "not-me"
    CONFLICT = "jti-conflict"
    EXPIRED = "expired"
    CLOCK_SKEW = "clock-skew"
    TRUST_STALE = "trust-stale"
    POLICY_UNKNOWN = "policy-unknown"
    NOT_PERMITTED = "not-permitted"
    OVER_DISCLOSURE = "over-disclosure"
    RECORD_INVALID = "record-invalid"
    WRONG_MODE = "wrong-mode"
    NOT_HANDLED = "not-handled"
    SLOW_DOWN = "slow-down"
    LOCKED = "locked"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


PROBLEM_URN = "urn:paradero:problem:"


class ExchangeError(Exception):
    """Base class. `code` is all a peer is told; the text is for our own log and never holds a value from a message.

    `retryable` says whether the sender keeps the message and tries again; if not, the refusal is signed and final.
    """

    code: ClassVar[ProblemCode] = ProblemCode.INTERNAL
    retryable: ClassVar[bool] = False
    advice: str = ""
    """For our own people: what to do, apart from what happened. Never told to a peer."""


class MalformedError(ExchangeError):
    """Bytes that break the rules every object on the wire obeys (SPEC 3.1)."""

    code = ProblemCode.MALFORMED


class SchemaError(ExchangeError):
    """Well-formed JSON that is no message of a known type (SPEC 5). `where` names members, never values."""

    code = ProblemCode.SCHEMA


class UnsupportedError(ExchangeError):
    """A protocol version, message type or content type this node does not speak."""

    code = ProblemCode.UNSUPPORTED


class TooLargeError(ExchangeError):
    """Over a limit of SPEC 3.1 or 8.2."""

    code = ProblemCode.TOO_LARGE


class EnvelopeError(ExchangeError):
    """Not an envelope, or one that does not open with the key it names."""

    code = ProblemCode.ENVELOPE


class KeyRetiredError(ExchangeError):
    """Sealed to a key of ours that no longer exists; the sender refreshes the register and seals the same message again."""

    code = ProblemCode.KEY_RETIRED
    retryable = True


class SenderUnknownError(ExchangeError):
    """Signed with a key id that no register version we hold vouches for."""

    code = ProblemCode.SENDER_UNKNOWN
    retryable = True


class SenderSuspendedError(ExchangeError):
    """The sender is suspended, has left or was revoked."""

    code = ProblemCode.SENDER_SUSPENDED


class SignatureError(ExchangeError):
    """A signature that does not verify, or not by the key it must be."""

    code = ProblemCode.SIGNATURE


class NotAddressedToUsError(ExchangeError):
    """`aud` names another node."""

    code = ProblemCode.NOT_ME


class MessageConflictError(ExchangeError):
    """The sender used one message id for two contents. Raised to people on both sides."""

    code = ProblemCode.CONFLICT


class ExpiredError(ExchangeError):
    """Past `exp`."""

    code = ProblemCode.EXPIRED


class NotYetValidError(ExchangeError):
    """`iat` lies further ahead than the tolerated clock skew. (A validity longer than allowed is a SchemaError.)"""

    code = ProblemCode.CLOCK_SKEW


class TrustStaleError(ExchangeError):
    """One side's register is too old for this message."""

    code = ProblemCode.TRUST_STALE
    retryable = True


class PolicyUnknownError(ExchangeError):
    """The message names a policy version we do not have, or one replaced more than 30 days ago."""

    code = ProblemCode.POLICY_UNKNOWN


class NotPermittedError(ExchangeError):
    """A genuine message that the policy has no rule for. `rule` names what decided."""

    code = ProblemCode.NOT_PERMITTED


class UnknownCaseError(NotPermittedError):
    """There is no such case here; told to this institution's own people alone."""


class OverDisclosureError(ExchangeError):
    """A genuine message that carries more than the policy allows; it is discarded."""

    code = ProblemCode.OVER_DISCLOSURE


class RecordInvalidError(ExchangeError):
    """A record that does not verify as RFC 9901 and SPEC 6 demand."""

    code = ProblemCode.RECORD_INVALID


class WrongModeError(ExchangeError):
    """An exercise message at an actual node, or the reverse."""

    code = ProblemCode.WRONG_MODE


class NotHandledError(ExchangeError):
    """Understood, but this node has nobody who handles it."""

    code = ProblemCode.NOT_HANDLED


class SlowDownError(ExchangeError):
    """Over a budget; come back later."""

    code = ProblemCode.SLOW_DOWN
    retryable = True


class LockedError(ExchangeError):
    """The node runs but its keys are not opened."""

    code = ProblemCode.LOCKED
    retryable = True


class PeerUnavailableError(ExchangeError):
    """The peer gave no answer, or one that is no signed receipt. The outcome is unknown."""

    code = ProblemCode.UNAVAILABLE
    retryable = True


class StorageError(ExchangeError):
    """Our own database refused; nothing was promised."""

    code = ProblemCode.UNAVAILABLE
    retryable = True


class ThreadErasedError(StorageError):
    """The thread was erased, or is about to be: nothing of it is read or said any more. `threads` names which."""

    retryable = False

    def __init__(self, text: str, *, threads: frozenset[str] = frozenset()) -> None:
        super().__init__(text)
        self.threads = threads


class FaultError(ExchangeError):
    """Our own code failed on a message; nothing was promised. The sender keeps it, until it expires or we are repaired."""

    code = ProblemCode.INTERNAL
    retryable = True


class ClockWrongError(ExchangeError):
    """Our own clock jumped, or nobody confirmed it: nothing is refused, ended or signed by it until it is right."""

    code = ProblemCode.UNAVAILABLE
    retryable = True
    advice = "Ponga en hora este equipo (timedatectl set-ntp true). Si la hora ya es la buena, reinicie el nodo."


class BackupRefusedError(ExchangeError):
    """A backup that is damaged, foreign, expired or not for this node. Local: no peer hears of it."""

    code = ProblemCode.MALFORMED

    def __init__(self, message: str, *, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class ConfigurationError(ExchangeError):
    """Something an administrator must change. `advice` says what to do, apart from what happened."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice
