"""Why a whole file is refused: what happened and why, and what to do. Codes and places only, never what a cell says."""

from contracts.adapter import SourceRefusedError

_SAVE_AS = "Ábralo en su hoja de cálculo y guárdelo como .xlsx o como CSV UTF-8."
_COPY = "Copie sólo las filas con datos a un libro nuevo y guárdelo como .xlsx."
_ASK = "No lo use; pida otro a quien lo envió."
_TEXTS = {
    "file-empty": ("El archivo está vacío.", "Elija otro archivo."),
    "file-too-large": ("El archivo pasa de 32 MiB.", "Divídalo en varios."),
    "file-is-xls-or-protected": (
        "Es un .xls antiguo o un libro con contraseña, que no se pueden revisar sin riesgo.",
        _SAVE_AS,
    ),
    "file-damaged": ("El archivo está dañado: no se puede abrir entero.", _SAVE_AS),
    "file-is-no-table": ("No es una hoja de cálculo que se pueda leer (.xlsx o CSV).", _SAVE_AS),
    "file-has-macros": ("El libro trae macros, que son programas.", "Guárdelo como .xlsx, sin macros."),
    "file-unfolds-too-large": ("El libro se desdobla en mucho más de lo que pesa.", _COPY),
    "file-overlaps": ("Las partes del archivo se pisan: está dañado o hecho con mala intención.", _ASK),
    "file-has-doctype": ("El libro trae una declaración que ninguna hoja de cálculo escribe.", _ASK),
    "file-unsafe-names": ("El archivo nombra partes fuera de sí mismo.", _ASK),
    "too-many-rows": (
        "Hay más de 100 000 filas, o una celda perdida muy abajo.",
        "Divida el archivo, o borre las filas sobrantes al final.",
    ),
    "too-many-columns": ("Hay más de 200 columnas, o una celda perdida muy a la derecha.", "Deje sólo las columnas del mapeo."),
    "cell-too-long": ("Una celda pasa de 10 000 caracteres.", "Acorte el texto de esa celda."),
    "nul-in-file": ("El archivo no es texto, o está en otra codificación.", "Guárdelo como CSV UTF-8."),
    "not-utf-8": ("El archivo no está en UTF-8.", 'Guárdelo como CSV UTF-8, o ponga `encoding = "cp1252"` en el mapeo.'),
    "encoding-wrong": ("El archivo no está en la codificación que dice el mapeo.", "Guárdelo como CSV UTF-8."),
    "encoding-mixed": (
        "El archivo mezcla dos codificaciones y sus acentos no se pueden leer.",
        "Expórtelo de nuevo como CSV UTF-8.",
    ),
    "csv-not-readable": ("Hay comillas sin cerrar o fuera de lugar.", "Corrija la fila, o expórtelo de nuevo."),
    "no-such-sheet": ("La hoja que pide el mapeo no está, o está oculta.", "Muéstrela, o corrija `sheet` en el mapeo."),
    "workbook-not-readable": ("El libro no se puede leer.", _SAVE_AS),
    "output-too-large": ("El libro tiene demasiado texto para leerlo de una vez.", "Divídalo en varios."),
    "reading-took-too-long": ("Leer el archivo pide demasiado tiempo.", _COPY),
    "reading-failed": ("Leer el archivo agotó la memoria o el tiempo permitidos.", _COPY),
    "no-header-row": (
        "No se encontró la fila de títulos que espera el mapeo.",
        "Revise `header_row` en el mapeo o los títulos del archivo.",
    ),
    "column-missing": ("Falta una columna obligatoria.", "Añádala, o añada en el mapeo el título que lleva en su archivo."),
    "column-twice": (
        "Un título está dos veces y no se sabe cuál columna es.",
        "Cambie un título, o escriba en el mapeo «título#2».",
    ),
    "mapping-not-readable": ("El archivo de mapeo no se puede leer.", "Revíselo: es TOML en UTF-8."),
    "mapping-wrong": (
        "El archivo de mapeo tiene algo que no se conoce.",
        "Revise lo que se nombra; todo está en docs/adapters.md.",
    ),
}


def refused(code: str, where: str = "") -> SourceRefusedError:
    """Return the error for a code; `where` names a row, a column of the mapping, a member: never a cell's content."""
    what, advice = _TEXTS.get(code, ("El archivo no se puede leer.", _SAVE_AS))
    return SourceRefusedError(code, advice, what=f"{what} ({where})" if where else what)
