"""What people are told when something about them cannot be. Texts are for them: Spanish, and never a name or a password."""

from enum import StrEnum
from typing import ClassVar

from contracts.errors import ExchangeError, ProblemCode


class PeopleError(ExchangeError):
    """Base class. `problem` is the last part of the problem's type, `status` its HTTP status; `advice` says what to do."""

    code = ProblemCode.NOT_PERMITTED
    problem: ClassVar[str] = "refused"
    status: ClassVar[int] = 422

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class WrongCredentialsError(PeopleError):
    """User name, password, invitation or state: which of them, nobody is told."""

    problem = "credentials"
    status = 401

    def __init__(self) -> None:
        super().__init__(
            "El usuario, la clave o la invitación no son, o ya no sirven.",
            advice="Escríbalos otra vez. Si la olvidó, la administración del nodo le da una invitación nueva.",
        )


class WrongCodeError(WrongCredentialsError):
    """The password was right; the code is not, was used before, or is of another time."""

    problem = "code"

    def __init__(self) -> None:
        super().__init__()
        self.args = ("Ese código no es, o ya se usó.",)
        self.advice = "Espere al código siguiente de su aplicación, o use un código de recuperación."


class CodeNeededError(PeopleError):
    """The password was right and is not enough: this person has a second factor. `step` goes on from here, to `path`."""

    problem = "code-needed"
    status = 401

    def __init__(self, step: str, path: str = "/") -> None:
        super().__init__(
            "Falta el código de su aplicación, o un código de recuperación.",
            advice="Dé la orden otra vez; con --password-stdin, el código en la línea siguiente.",
        )
        self.step = step
        self.path = path


class PasskeyError(PeopleError):
    """What a passkey answered is none to what was asked, or it may let nobody in. Why, nobody is told."""

    problem = "passkey"
    status = 401

    def __init__(self) -> None:
        super().__init__("Esa llave no sirvió.", advice="Pruebe otra vez, o entre con su clave.")


class ProviderFault(StrEnum):
    """What is wrong with a sign-in through the institution."""

    UNREACHABLE = "unreachable"
    DENIED = "denied"
    TOKEN = "token"  # noqa: S105 - a word, no token
    STALE = "stale"
    WEAK = "weak"
    UNLINKED = "unlinked"


class ProviderError(PeopleError):
    """The institution's own sign-in let nobody in here; `fault` says why, in a word."""

    problem = "provider"
    status = 401

    def __init__(self, fault: ProviderFault) -> None:
        super().__init__(
            "La entrada de su institución no sirvió.", advice="Entre con su clave, o pregunte a la administración."
        )
        self.fault = fault


class StepOverError(PeopleError):
    """A step of coming in took too long, was used, or was begun elsewhere."""

    problem = "step-over"
    status = 409

    def __init__(self) -> None:
        super().__init__("Ese paso caducó o ya se usó.", advice="Empiece otra vez.")


class FactorNeededError(PeopleError):
    """This node asks for a second factor of whoever holds such a post, and the time to add one is over."""

    problem = "factor-needed"
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "Falta su segunda prueba: una clave sola ya no basta para su puesto.",
            advice="Añádala en su cuenta, en el navegador, o con `paradero user totp`.",
        )


class SignedOutError(PeopleError):
    """There is no such session, or it has ended."""

    problem = "unauthorised"
    status = 401

    def __init__(self) -> None:
        super().__init__("Nadie ha entrado, o la sesión terminó.", advice="Entre con `paradero login USUARIO`.")


class WaitError(PeopleError):
    """Too many failures; `seconds` until the next try is looked at."""

    code = ProblemCode.SLOW_DOWN
    problem = "slow-down"
    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__("Demasiados intentos fallidos.", advice=f"Espere {seconds} s y pruebe otra vez.")
        self.seconds = seconds


class NotAllowedError(PeopleError):
    """None of the person's roles may do this. `roles` names those that may."""

    problem = "not-permitted"
    status = 403


class ConfirmError(PeopleError):
    """A sensitive act: the person must have signed in a short while ago."""

    problem = "sign-in-again"
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "Para esto hay que haber entrado hace poco.",
            advice="Entre otra vez con `paradero login USUARIO` y repita la orden.",
        )


class UnknownError(PeopleError):
    """No such person or office."""

    problem = "not-found"
    status = 404


class TakenError(PeopleError):
    """There is one already, or it is in that state already."""

    code = ProblemCode.CONFLICT
    problem = "conflict"
    status = 409


class InvalidError(PeopleError):
    """What was given is not what it must be."""

    code = ProblemCode.SCHEMA
    problem = "schema"
    status = 422
