"""What figures are called and what each of their columns and lines means."""

from collections.abc import Iterable, Mapping

from gateway.console.marking import N_
from gateway.console.words import Words

HIDDEN = "*"
"""What stands for a number that is not shown: it may be small, or tell a small one. It says nothing of how large it is."""
TITLES = {
    "funnel": N_("Qué pasó con lo que pedimos"),
    "paces": N_("Cuánto tardó cada oficina, en partes de su plazo"),
    "asked": N_("Quién le pide a quién"),
    "left": N_("Qué datos salieron, por categoría y mes"),
}
STAGES = {
    "sent": (
        N_("Enviadas"),
        N_("Solicitudes, peticiones de datos, verificaciones de identidad y referencias abiertas aquí en los meses pedidos."),
    ),
    "delivered": (N_("Entregadas"), N_("De las enviadas, las que tienen un recibo firmado de quien las recibió.")),
    "taken": (N_("Aceptadas o atendidas"), N_("De las enviadas, aquellas en que la otra parte aceptó, rechazó o respondió.")),
    "answered": (N_("Respondidas"), N_("De las enviadas, las que terminaron con una respuesta de quien las recibió.")),
}
PACE_NAMES = {
    "quarter": (N_("hasta 1/4 del plazo"), N_("Respondidas antes de que pasara un cuarto de su plazo.")),
    "half": (N_("hasta 1/2"), N_("Respondidas entre un cuarto y la mitad de su plazo.")),
    "three-quarters": (N_("hasta 3/4"), N_("Respondidas entre la mitad y tres cuartos de su plazo.")),
    "in-time": (N_("hasta el plazo"), N_("Respondidas en el último cuarto de su plazo.")),
    "late": (N_("tarde"), N_("Respondidas después de su plazo.")),
    "open-late": (N_("vencidas sin respuesta"), N_("Sin respuesta, y su plazo ya pasó.")),
}
CATEGORIES = {
    "handling": (N_("Gestión"), N_("Registros con algún dato de gestión: referencias, folios, banderas (S0 y S1).")),
    "identity": (N_("Identificación"), N_("Registros con algún dato que identifica: nombres, documentos, nacimiento (S2).")),
    "description": (N_("Descripción"), N_("Registros con algún dato que describe: edad, sexo, señas, lugares, fechas (S3).")),
    "protected": (N_("Protegidos"), N_("Registros con algún dato protegido: contactos, custodia, relatos (S4).")),
    "special": (N_("Especialmente protegidos"), N_("Registros con algún dato de salud, biometría o imagen (S5).")),
}
COLUMNS = {
    "requests": (N_("Cuántas"), N_("Número de solicitudes que llegaron a esa etapa.")),
    "median-hours": (N_("Horas (mediana)"), N_("La mitad tardó estas horas o menos, desde que se enviaron.")),
    "asked-us": (N_("Nos pidió"), N_("Solicitudes y referencias que esa institución nos hizo.")),
    "we-asked": (N_("Le pedimos"), N_("Solicitudes y referencias que le hicimos a esa institución.")),
    "total": (N_("Total"), N_("La suma de la línea o de la columna.")),
}
WHAT_IS_HIDDEN = N_(
    "Los números de 1 a 4 no se muestran, ni otros de los mismos cuadros con los que se podrían calcular; el cero sí. "
    "Quien reste cuadros de meses distintos, o de días distintos, puede calcular números pequeños: no los publique juntos."
)
_EVERY = {**STAGES, **PACE_NAMES, **CATEGORIES, **COLUMNS}


def labels_of(names: Mapping[str, str], told: Words) -> dict[str, str]:
    """Return what people call each code: those of the figures, and `names` of offices and institutions."""
    return {code: told.gettext(label) for code, (label, _) in _EVERY.items()} | dict(names) | {"": told.gettext("sin oficina")}


def meanings(codes: Iterable[str], labels: Mapping[str, str], told: Words) -> list[tuple[str, str]]:
    """Return what each of these columns and lines means."""
    found = [(labels.get(code, code), told.gettext(_EVERY[code][1])) for code in codes if code in _EVERY]
    return [*found, (HIDDEN, told.gettext(WHAT_IS_HIDDEN))]
