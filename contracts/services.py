"""The catalogue of services one institution refers a family to another for. Codes are protocol; labels are for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Service(StrEnum):
    """What is asked of the other institution. Wire format: add, never rename."""

    CHILD_PROTECTION = "child-protection"
    CIVIL_DOCUMENTS = "civil-documents"
    CONSULAR_VISIT = "consular-visit"
    CRIME_REPORT = "crime-report"
    DNA_SAMPLING = "dna-sampling"
    EDUCATION_SUPPORT = "education-support"
    EMPLOYMENT_SUPPORT = "employment-support"
    FAMILY_CONTACT = "family-contact"
    FAMILY_NOTIFICATION = "family-notification"
    FAMILY_REUNIFICATION = "family-reunification"
    FORENSIC_EXAMINATION = "forensic-examination"
    FUNERAL_SUPPORT = "funeral-support"
    HUMAN_RIGHTS_COMPLAINT = "human-rights-complaint"
    IDENTITY_VERIFICATION = "identity-verification"
    INTERPRETATION = "interpretation"
    LEGAL_ADVICE = "legal-advice"
    MEDICAL_CARE = "medical-care"
    PSYCHOSOCIAL_SUPPORT = "psychosocial-support"
    REPATRIATION_OF_REMAINS = "repatriation-of-remains"
    RETURN_SUPPORT = "return-support"
    SEARCH_ABROAD = "search-abroad"
    SHELTER = "shelter"
    SOCIAL_BENEFITS = "social-benefits"
    TRANSPORT = "transport"
    WOMEN_ALERT = "women-alert"


@dataclass(frozen=True, slots=True)
class ServiceLabel:
    """How people read a service."""

    es: str
    en: str


_LABELS: dict[Service, ServiceLabel] = {
    Service.CHILD_PROTECTION: ServiceLabel("Protección de niñez y adolescencia", "Child protection"),
    Service.CIVIL_DOCUMENTS: ServiceLabel("Documentos del registro civil", "Civil registry documents"),
    Service.CONSULAR_VISIT: ServiceLabel("Visita consular", "Consular visit"),
    Service.CRIME_REPORT: ServiceLabel("Denuncia de un posible delito", "Report of a possible crime"),
    Service.DNA_SAMPLING: ServiceLabel("Toma de muestras de ADN a familiares", "DNA sampling of relatives"),
    Service.EDUCATION_SUPPORT: ServiceLabel("Apoyo educativo", "Education support"),
    Service.EMPLOYMENT_SUPPORT: ServiceLabel("Apoyo laboral", "Employment support"),
    Service.FAMILY_CONTACT: ServiceLabel("Restablecimiento del contacto familiar", "Restoring family contact"),
    Service.FAMILY_NOTIFICATION: ServiceLabel("Notificación digna a la familia", "Dignified notification of the family"),
    Service.FAMILY_REUNIFICATION: ServiceLabel("Reunificación familiar", "Family reunification"),
    Service.FORENSIC_EXAMINATION: ServiceLabel("Examen forense", "Forensic examination"),
    Service.FUNERAL_SUPPORT: ServiceLabel("Apoyo funerario", "Funeral support"),
    Service.HUMAN_RIGHTS_COMPLAINT: ServiceLabel("Denuncia ante derechos humanos", "Human-rights complaint"),
    Service.IDENTITY_VERIFICATION: ServiceLabel("Verificación de identidad", "Identity verification"),
    Service.INTERPRETATION: ServiceLabel("Interpretación de idiomas", "Interpretation"),
    Service.LEGAL_ADVICE: ServiceLabel("Asesoría legal", "Legal advice"),
    Service.MEDICAL_CARE: ServiceLabel("Atención médica", "Medical care"),
    Service.PSYCHOSOCIAL_SUPPORT: ServiceLabel("Apoyo psicosocial", "Psychosocial support"),
    Service.REPATRIATION_OF_REMAINS: ServiceLabel("Repatriación de restos", "Repatriation of remains"),
    Service.RETURN_SUPPORT: ServiceLabel("Apoyo al retorno", "Support on return"),
    Service.SEARCH_ABROAD: ServiceLabel("Búsqueda en el exterior", "Search abroad"),
    Service.SHELTER: ServiceLabel("Albergue", "Shelter"),
    Service.SOCIAL_BENEFITS: ServiceLabel("Programas sociales", "Social benefits"),
    Service.TRANSPORT: ServiceLabel("Transporte", "Transport"),
    Service.WOMEN_ALERT: ServiceLabel("Alerta Isabel-Claudina", "Isabel-Claudina alert"),
}

SERVICES: Mapping[Service, ServiceLabel] = MappingProxyType(_LABELS)

if set(SERVICES) != set(Service):
    raise RuntimeError("every service needs its labels")
