"""What a desk asks a family, page by page. Labels, kinds and shapes are the dictionary's; here is what is asked where."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.consents import ConsentForm, Scope
from contracts.fields import RecordType
from contracts.messages.reports import Channel
from gateway.console.marking import N_

PERSON, REPORTER = RecordType.MISSING_PERSON.value, RecordType.REPORTER.value
DONE = "hecho"
"""The field of a part that says that its section was finished."""


@dataclass(frozen=True, slots=True)
class Section:
    """One page of the form. `asks`: fields of the two records, ``p.`` of the person sought and ``r.`` of who reports."""

    id: str
    title: str
    about: str
    asks: tuple[str, ...]


def _of(record: str, names: str) -> tuple[str, ...]:
    return tuple(f"{record}.{name}" for name in names.split())


WHO, WHOM, JOURNEY, CONSENTS, CARE = "quien-pide", "persona", "viaje", "consentimientos", "proteccion"
SECTIONS: Mapping[str, Section] = {
    item.id: item
    for item in (
        Section(
            WHO,
            N_("Quién pide la búsqueda"),
            N_("Quién es, cómo llamarle sin riesgo y en qué idioma. Lo lee el MBMID; si puede ser menor, también la PGN."),
            _of(
                "r",
                "name relationship phones safe_hours safe_contact language interpreter reads address country cui support_need",
            ),
        ),
        Section(
            WHOM,
            N_("La persona buscada"),
            N_("Como la familia la describe. Ningún dato es obligatorio salvo un nombre o un apodo."),
            _of(
                "p",
                "given_names surname_1 surname_2 married_surname aliases birth_date age_range sex cui nationalities"
                " birth_place residence mother_tongue languages speaks_spanish background height_cm weight_kg build hair eyes"
                " features marks dental_summary health_conditions phones",
            ),
        ),
        Section(
            JOURNEY,
            N_("El viaje"),
            N_("Salida, ruta, con quién iba, último contacto. Un relato largo lo lee otra persona antes de salir."),
            _of(
                "p",
                "departure_date departure_place intended_destination route last_contact_date last_contact_place"
                " last_contact_means circumstance companions clothing belongings documents smuggler debt narrative"
                " external_refs",
            ),
        ),
        Section(
            CONSENTS,
            N_("Consentimientos, uno por uno"),
            N_(
                "Léalos en voz alta en el idioma de la familia. Puede decir sí a unos y no a otros, y cambiarlos después."
                " El traslado al MBMID es un deber y no depende de ellos."
            ),
            (),
        ),
        Section(
            CARE,
            N_("Protección"),
            N_("Para no poner a nadie en riesgo. Si no se sabe, déjelo en blanco."),
            (*_of("p", "protection_need"), *_of("r", "threats family_conflict")),
        ),
    )
}
NOT_ASKED = frozenset(
    {
        *_of("p", "flags gender religion attachments biometric_refs immigration_status outcome hypotheses"),
        *_of("r", "quality address_abroad kinship_tree sample_willing consents consent_details"),
    }
)
"""What a desk does not ask at intake: it follows from other answers, comes later, or is asked of nobody."""

CHANNELS = {Channel.DESK.value: N_("En la ventanilla"), Channel.PHONE.value: N_("Por teléfono")}
ANSWERS = {"si": N_("Sí, autoriza"), "no": N_("No autoriza"), "": N_("No se preguntó")}
MEANS: Mapping[Scope, str] = {
    Scope.NATIONAL_SEARCH: N_("Que la busquen las instituciones de Guatemala: hospitales, policía, albergues, INACIF."),
    Scope.CONSULAR: N_("Que los consulados de Guatemala pregunten por ella."),
    Scope.MEXICO_RESTRICTED: N_("Que se pregunte en México sin publicar nada."),
    Scope.MEXICO_REGISTER: N_("Que México la inscriba en su registro. Su nombre queda a la vista de cualquiera."),
    Scope.US_MEDICOLEGAL: N_("Que se pregunte a médicos forenses de Estados Unidos y al registro NamUs."),
    Scope.HUMANITARIAN: N_("Que la Cruz Roja y el CICR ayuden a buscarla."),
    Scope.INTERPOL: N_("Que se pida por INTERPOL. Lo leen policías de otros países."),
    Scope.PUBLIC_BULLETIN: N_("Que se publique un boletín con su foto."),
    Scope.DNA: N_("Que se tomen muestras a la familia para comparar."),
    Scope.NGO_CONTACT: N_("Que una organización llame a la familia."),
    Scope.STATISTICS: N_("Que cuente en las estadísticas, sin nombre."),
    Scope.ACCOMPANIMENT: N_("Que alguien acompañe a la familia y ayude con traslados."),
    Scope.CRIMINAL_COMPLAINT: N_("Que se presente una denuncia penal."),
}
FORMS = {
    ConsentForm.WRITTEN.value: N_("Por escrito"),
    ConsentForm.ORAL_WITNESSED.value: N_("De palabra, con testigo"),
    ConsentForm.FINGERPRINT.value: N_("Con huella, con testigo"),
    ConsentForm.AUDIO.value: N_("Grabado"),
}
MAYBE_MINOR = {"": N_("Lo dice la edad"), "si": N_("Puede ser menor de edad, aunque la edad diga otra cosa")}
