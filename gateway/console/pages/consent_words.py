"""What a relative decided, in words: how it was given, how far it goes, what was said where the report was taken."""

from datetime import UTC, datetime, timedelta

from contracts.consents import BROUGHT, WITNESSED, ConsentForm, InForce, Limits, Standing
from contracts.policy import Policy
from gateway.console.marking import N_
from gateway.console.pages.forms import Form
from gateway.console.pages.languages import LANGUAGES
from gateway.console.pages.looks import Looks
from gateway.console.pages.timeline import scopes_in_words
from gateway.console.whose import GUATEMALA
from gateway.console.words import Words
from gateway.exchange.passed_on import SaidThere

FORMS = {
    ConsentForm.WRITTEN: N_("Por escrito"),
    ConsentForm.FINGERPRINT: N_("Con huella, y testigo"),
    ConsentForm.AUDIO: N_("En audio"),
    ConsentForm.ORAL_WITNESSED: N_("De palabra, y testigo"),
    ConsentForm.INHERITED: N_("Heredado, sin constancia"),
    ConsentForm.RELAYED: N_("Dicho en otra institución"),
}
GIVEN_NOW = tuple(form for form in FORMS if form not in BROUGHT)
"""How somebody can decide before a person of this institution."""


def how_in_words(standing: Standing, told: Words) -> str:
    """Return in which form and language a consent was given."""
    return f"{told.gettext(FORMS[standing.form])}, {LANGUAGES.get(standing.language, standing.language)}"


def limits_in_words(limits: Limits, policy: Policy, looks: Looks, told: Words) -> str:
    """Return how far a consent goes; empty where nothing limits it."""
    parts = []
    if limits.recipients is not None:
        names = ", ".join(sorted(looks.name(node) for node in limits.recipients)) or told.gettext("nadie")
        parts.append(told.gettext("sólo a %(names)s") % {"names": names})
    if limits.purposes is not None:
        known = {entry.id: (entry.en or entry.es) if told.lang == "en" else entry.es for entry in policy.purposes}
        names = ", ".join(sorted(known.get(code, str(code)) for code in limits.purposes))
        parts.append(told.gettext("sólo para: %(names)s") % {"names": names})
    if limits.fields is not None:
        number = len(limits.fields)
        parts.append(told.ngettext("sólo %(number)s dato", "sólo %(number)s datos", number) % {"number": number})
    if limits.until is not None:
        day = told.day(datetime.fromtimestamp(limits.until, UTC) - timedelta(seconds=1), GUATEMALA)
        parts.append(told.gettext("hasta el %(day)s") % {"day": day})
    return "; ".join(parts)


def said_in_words(there: SaidThere, holding: InForce, looks: Looks, told: Words) -> dict[str, str]:
    """Return what the one who reported said where the report was taken: what to write down, what fell."""
    others = {scope for who, scope in holding.scopes if who != there.relative}
    return {
        "name": looks.name(there.peer),
        "scopes": scopes_in_words(there.scopes, told),
        "taken_back": scopes_in_words(there.taken_back, told),
        "by_others": scopes_in_words(there.taken_back & others, told),
    }


def as_said(there: SaidThere, looks: Looks) -> Form:
    """Return the form of a consent as the report fills it in; whoever heard it there is the witness."""
    known = next((form for form in GIVEN_NOW if form.value == there.form), None)
    return Form(
        {
            "familiar": (str(there.relative),),
            "ambito": tuple(sorted(scope.value for scope in there.scopes)),
            "como": () if known is None else (known.value,),
            "idioma": (there.language,),
            "testigo": (looks.name(there.peer),) if known in WITNESSED else (),
        }
    )
