"""The `paradero` program: what holds for every command, whatever goes wrong. No traceback reaches a person."""

import os
import sys
import threading
from pathlib import Path
from types import TracebackType

_BUG, _FILE_REFUSED, _INTERRUPTED, _NOBODY_READS = 1, 2, 130, 141
_HERE = Path(__file__).parents[1]


def main() -> int:
    """Run the command line; return its exit code (docs/cli.md)."""
    _open_streams()
    threading.excepthook = _thread_failed
    try:
        from gateway.cli import run  # noqa: PLC0415 - inside the try: Ctrl-C while the program loads is no traceback either

        code = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("Interrumpido.", "", "Repita la orden; lo que ya se guardó está entero.")
        code = _INTERRUPTED
    except BrokenPipeError:
        code = _NOBODY_READS
    except OSError as error:
        _say("No se pudo leer o escribir un archivo, o la salida.", _place(error), "Compruebe espacio, permisos y ruta.")
        code = _FILE_REFUSED
    except Exception as error:  # noqa: BLE001 - a person gets the place, never a traceback nor a value
        _say("Falla inesperada: un defecto de Paradero.", _place(error), "Repórtelo (SECURITY.md) con esta línea y la orden.")
        code = _BUG
    return _left_quietly() if code == _NOBODY_READS else code


def _open_streams() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # started with the descriptor closed
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - lives as long as the process
        elif mode == "w":
            stream.reconfigure(errors="replace")  # a terminal without ✓ or ñ shows a question mark


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    # A database driver's thread that outlives the loop it answers to, once a command ended with an error, is no news.
    if not isinstance(failed.exc_value, RuntimeError):
        sys.stderr.write(f"! Un hilo terminó mal: {failed.exc_type.__name__}\n")


def _left_quietly() -> int:
    # Whoever read our output has left (`paradero … | head -1`). What is still in the buffer would fail again at the end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return _NOBODY_READS


def _say(what: str, why: str, advice: str) -> None:
    sys.stderr.write(f"✗ {what}\n" + (f"  Por qué: {why}\n" if why else "") + f"  Qué hacer: {advice}\n")


def _place(error: Exception) -> str:
    reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__}{reason}, {_innermost(error.__traceback__)}"


def _innermost(trace: TracebackType | None) -> str:
    place = "?"
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.is_relative_to(_HERE):
            place = f"{path.relative_to(_HERE)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


if __name__ == "__main__":
    sys.exit(main())
