"""Why a picture or document is refused: what happened, and what to do. Never its name and nothing of what is in it."""

from contracts.adapter import SourceRefusedError

_TO_PDF = "Ábralo en su programa, expórtelo o guárdelo como PDF y adjunte el PDF (convert it to PDF)."
_TO_JPEG = "Guárdela como JPEG o PNG y adjunte esa (save it as JPEG or PNG)."
_PRINT = "Imprímalo a PDF y adjunte el resultado (print it to PDF)."
_TEXTS = {
    "attachment-empty": ("El archivo está vacío.", "Elija otro archivo."),
    "attachment-too-large": ("Pasa de 25 MiB.", "Reduzca la fotografía, o divida el documento (make it smaller)."),
    "attachment-is-office": ("Es un documento de oficina o un comprimido: puede traer hojas ocultas y autores.", _TO_PDF),
    "attachment-kind": ("No es JPEG, PNG, WebP ni PDF.", _TO_JPEG + " Un documento, como PDF."),
    "picture-moves": ("Tiene más de una imagen (animación o varias páginas).", _TO_JPEG),
    "picture-too-many-pixels": ("Tiene más de 50 millones de puntos.", "Redúzcala (make it smaller)."),
    "picture-not-readable": ("La imagen no se puede leer entera.", _TO_JPEG),
    "pdf-locked": ("El PDF está cifrado o con contraseña.", "Guárdelo sin contraseña (save it without a password)."),
    "pdf-form": ("El PDF es un formulario: lo escrito en él se perdería al limpiarlo.", _PRINT),
    "pdf-notes": ("El PDF lleva notas, firmas o archivos sobre sus páginas, con autores.", _PRINT),
    "pdf-layers": ("El PDF tiene capas, que pueden ocultar contenido.", _PRINT),
    "pdf-too-many-pages": ("El PDF pasa de 500 páginas.", "Divídalo (split it)."),
    "pdf-not-readable": ("El PDF no se puede leer entero.", _PRINT),
    "pdf-not-clean": ("El PDF trae datos ocultos que no se pueden quitar.", _PRINT),
    "reading-took-too-long": ("Limpiarlo pide demasiado tiempo.", "Redúzcalo (make it smaller)."),
    "reading-failed": ("Limpiarlo agotó la memoria o el tiempo permitidos.", "Redúzcalo (make it smaller)."),
}


def refused(code: str) -> SourceRefusedError:
    """Return the error for a code."""
    what, advice = _TEXTS.get(code, _TEXTS["reading-failed"])
    return SourceRefusedError(code, advice, what=what)
