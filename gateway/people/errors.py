"""What people are told when something about them cannot be. Texts are for them: Spanish, and never a name or a password."""

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
