"""Languages people decide and are served in, by their own names (BCP 47 codes)."""

LANGUAGES = {
    "es": "Español",
    "quc": "K'iche'",
    "kek": "Q'eqchi'",
    "mam": "Mam",
    "cak": "Kaqchikel",
    "kjb": "Q'anjob'al",
    "ixl": "Ixil",
    "poh": "Poqomchi'",
    "tzj": "Tz'utujil",
    "acr": "Achi",
    "cac": "Chuj",
    "jac": "Popti'",
    "knj": "Akateko",
    "cab": "Garífuna",
    "en": "English",
}
