"""The dictionary itself: five record types, their fields, labels in Spanish and English, sensitivity (SPEC 6.2).

A partner's own record type is one more table here or, later, a register target of the same shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType

from contracts.fields.forms import Form
from contracts.fields.kinds import KINDS, ladder


class Sensitivity(IntEnum):
    """S0 to S5: how much harm the wrong reader of a field could do."""

    PUBLIC = 0
    OPERATIONAL = 1
    IDENTIFYING = 2
    DESCRIPTIVE = 3
    PROTECTED = 4
    SPECIAL = 5


class RecordType(StrEnum):
    """What a record is about. The value is the last part of its `vct`."""

    MISSING_PERSON = "missing-person"
    UNIDENTIFIED_PERSON = "unidentified-person"
    UNIDENTIFIED_REMAINS = "unidentified-remains"
    CUSTODY = "custody"
    REPORTER = "reporter"


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """One field: its kind decides shape and ladder, its sensitivity decides who may ever see it."""

    name: str
    kind: str
    sensitivity: Sensitivity
    label_es: str
    label_en: str

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms it can take, most precise first."""
        return ladder(self.kind)


_DESCRIPTION = """
sex                  choice    3  Sexo                                     | Sex
height_cm            measure   3  Estatura (cm)                            | Height (cm)
weight_kg            measure   3  Peso (kg)                                | Weight (kg)
build                choice    3  Complexión                               | Build
hair                 choice    3  Cabello                                  | Hair
eyes                 choice    3  Ojos                                     | Eyes
marks                items     3  Señas particulares                       | Distinguishing marks
dental_summary       items     3  Rasgos dentales visibles                 | Visible dental features
clothing             items     3  Ropa y accesorios                        | Clothing and accessories
belongings           items     3  Objetos                                  | Belongings
"""

_TABLES = {
    RecordType.MISSING_PERSON: """
given_names          names     2  Nombres                                  | Given names
surname_1            name      2  Primer apellido                          | First surname
surname_2            name      2  Segundo apellido                         | Second surname
married_surname      name      2  Apellido de casada                       | Married surname
aliases              names     3  Apodos y nombres usados en ruta          | Nicknames and names used on the way
birth_date           date      2  Fecha de nacimiento                      | Date of birth
age_range            age       3  Edad al desaparecer                      | Age when last seen
gender               choice    4  Identidad de género                      | Gender identity
cui                  digits    2  CUI                                      | CUI (state number)
cui_absence_reason   choice    2  Motivo de ausencia de CUI                | Why there is no CUI
documents            items     2  Otros documentos                         | Other documents
nationalities        choices   3  Nacionalidades declaradas                | Declared nationalities
birth_place          place     2  Lugar de nacimiento                      | Place of birth
residence            place     3  Residencia en origen                     | Residence at origin
mother_tongue        choice    3  Idioma materno                           | Mother tongue
languages            choices   3  Idiomas                                  | Languages
speaks_spanish       choice    3  Habla español                            | Speaks Spanish
marital_status       choice    3  Estado civil                             | Marital status
occupation           text      3  Ocupación                                | Occupation
health_conditions    items     5  Condiciones de salud relevantes          | Relevant health conditions
phones               phones    4  Teléfonos de la persona buscada          | Phones of the person sought
departure_date       date      3  Fecha de salida                          | Date of departure
departure_place      place     3  Lugar de salida                          | Place of departure
intended_destination text      4  Destino previsto                         | Intended destination
route                items     3  Puntos de la ruta                        | Points of the route
companions           items     4  Acompañantes                             | Companions
smuggler             long_text 4  Intermediario                            | Smuggler
debt                 long_text 4  Deuda, pagos, extorsión                  | Debt, payments, extortion
last_contact_date    date      3  Fecha del último contacto                | Date of last contact
last_contact_place   place     3  Lugar del último contacto                | Place of last contact
last_contact_means   choice    3  Medio del último contacto                | Means of last contact
circumstance         choice    3  Circunstancia                            | Circumstance
narrative            long_text 4  Narración                                | Narrative
protection_need      flag      5  Necesidad de protección                  | Need of protection
photo_available      flag      1  Hay fotografía                           | A photograph exists
family_sample        choice    5  Muestra de referencia                    | Reference sample
external_refs        items     1  Folios externos                          | External references
"""
    + _DESCRIPTION,
    RecordType.UNIDENTIFIED_REMAINS: """
local_ref            text      1  Número de expediente forense             | Forensic file number
authority            text      1  Autoridad competente                     | Competent authority
external_refs        items     1  Folios externos                          | External references
found_date           date      3  Fecha de hallazgo                        | Date found
postmortem_days      measure   3  Intervalo post mortem (días)             | Postmortem interval (days)
found_place          place     3  Lugar de hallazgo                        | Place found
found_county         text      3  Condado o entidad                        | County
found_coordinates    coordinates 4 Coordenadas                             | Coordinates
found_corridor       choice    3  Corredor                                 | Corridor
circumstance         choice    3  Circunstancia del hallazgo               | Circumstance of finding
remains_type         choice    3  Tipo de restos                           | Type of remains
condition            choice    3  Condición                                | Condition
individuals          measure   3  Número mínimo de individuos              | Minimum number of individuals
age_range            age       3  Edad estimada                            | Estimated age
possible_names       names     2  Nombre en documento hallado              | Name on a document found
documents_found      items     3  Documentos hallados                      | Documents found
phones_found         phones    4  Números hallados                         | Phone numbers found
language_signs       choices   3  Idioma en objetos                        | Language on objects
photos_available     flag      5  Fotografías                              | Photographs
fingerprints         choice    5  Huellas                                  | Fingerprints
dna_sample           choice    5  Muestra de ADN                           | DNA sample
cause_of_death       text      5  Causa de muerte                          | Cause of death
disposition          choice    4  Disposición                              | Disposition
identification       choice    1  Estado de la identificación              | State of identification
"""
    + _DESCRIPTION,
    RecordType.UNIDENTIFIED_PERSON: """
local_ref            text      1  Código temporal                          | Temporary code
facility             text      4  Establecimiento                          | Facility
admitted_date        date      3  Fecha de ingreso                         | Date admitted
found_date           date      3  Fecha de hallazgo                        | Date found
found_place          place     3  Lugar de hallazgo                        | Place found
brought_by           choice    3  Quién la trajo                           | Brought by
age_range            age       3  Edad aparente                            | Apparent age
said_names           names     3  Lo que dice de su nombre                 | Names the person says
heard_language       choice    3  Idioma oído                              | Language heard
presumed_nationality choices   4  Nacionalidad presunta                    | Presumed nationality
communicates         choice    3  Puede comunicarse                        | Can communicate
photo_available      flag      5  Fotografía                               | Photograph
fingerprint_result   choice    3  Resultado de huella                      | Fingerprint result
can_consent          choice    3  Puede decidir                            | Can decide
contact_will         choice    5  Voluntad de contacto                     | Wish to be contacted
aggressor_risk       flag      5  Riesgo de agresor                        | Risk of an aggressor
possible_minor       flag      1  Posible menor                            | Possible minor
discharge            choice    4  Egreso                                   | Discharge
diagnosis            long_text 5  Diagnóstico                              | Diagnosis
"""
    + _DESCRIPTION,
    RecordType.CUSTODY: """
custody_type         choice    4  Tipo de custodia                         | Type of custody
authority            text      4  Autoridad y centro                       | Authority and centre
from_date            date      4  Desde                                    | From
to_date              date      4  Hasta                                    | To
source               choice    1  Fuente                                   | Source
a_number             digits    4  Número A                                 | A-number
notify_will          choice    4  Autoriza avisar                          | Agrees to notice
consular_visit       date      4  Visita consular                          | Consular visit
protection_need      flag      5  Teme retorno                             | Fears return
return_date          date      3  Fecha de retorno                         | Date of return
return_place         place     3  Recepción                                | Place of return
return_match         choice    1  Resultado de cotejo                      | Match result
given_names          names     2  Nombres                                  | Given names
surname_1            name      2  Primer apellido                          | First surname
surname_2            name      2  Segundo apellido                         | Second surname
birth_date           date      2  Fecha de nacimiento                      | Date of birth
""",
    RecordType.REPORTER: """
name                 names     4  Nombre del reportante                    | Reporter's name
cui                  digits    4  CUI del reportante                       | Reporter's CUI
quality              choice    3  Calidad                                  | Quality
relationship         choice    3  Parentesco                               | Relationship
phones               phones    4  Teléfonos                                | Phones
safe_hours           text      4  Horario seguro                           | Safe hours
address              text      4  Dirección                                | Address
country              choice    4  País de residencia                       | Country of residence
language             choice    3  Idioma                                   | Language
interpreter          flag      3  Requiere intérprete                      | Needs an interpreter
reads                choice    3  Lee                                      | Reads
sample_willing       choice    4  Acepta dar muestra                       | Willing to give a sample
support_need         choice    5  Apoyo psicosocial                        | Psychosocial support
threats              flag      5  Amenaza o extorsión                      | Threats or extortion
family_conflict      choice    5  Conflicto con la persona buscada         | Conflict with the person sought
consents             choices   4  Consentimientos                          | Consents
""",
}


def _parse(table: str) -> Mapping[str, FieldDefinition]:
    found: dict[str, FieldDefinition] = {}
    for line in filter(str.strip, table.splitlines()):
        labels = line.split("|")
        name, kind, level, label_es = labels[0].split(None, 3)
        if name in found or kind not in KINDS or len(labels) != 2:
            raise RuntimeError(f"field dictionary: {name}")
        found[name] = FieldDefinition(name, kind, Sensitivity(int(level)), label_es.strip(), labels[1].strip())
    return MappingProxyType(found)


FIELDS: Mapping[RecordType, Mapping[str, FieldDefinition]] = MappingProxyType(
    {record_type: _parse(table) for record_type, table in _TABLES.items()}
)


def definition(record_type: RecordType, name: str) -> FieldDefinition | None:
    """Return a field's definition, or None when the record type has no such field."""
    return FIELDS[record_type].get(name)
