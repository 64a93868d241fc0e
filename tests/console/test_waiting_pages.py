"""What waits for somebody else is its office's: another office neither sees it, nor opens it, nor decides, by pages or by programs."""

import re

import pytest

from gateway.people.sign_in import Carrier
from gateway.storage.read_models import ReadModels
from tests.console.test_answering import asked, officer, prepared, world  # noqa: F401 - the fixture
from tests.people.hired import back_at, hired_at
from tests.people.world import OFFICE

HERE, ELSEWHERE = "Albergue Ficticio", "officer@otra"


async def waiting(world):  # noqa: F811
    """A text of an answer that waits until somebody has read it, in work of the office of these suites; its id."""
    visitor, request = await officer(world), await asked(world, "sex", "facility")
    head = await hired_at(world.desk, f"office-head@{OFFICE}", login="m.ficticia")
    assert (await world.call("POST", f"/api/v1/inbox/{request}/move", head, {"office": OFFICE}))[0] == 200
    review = await prepared(visitor, request, **{"v-facility": HERE, "s-facility": "exact"})
    await visitor.post(review)
    [there] = re.findall(r'href="/espera/([^"]+)"', (await visitor.get("/espera")).text)
    return there


async def tried(world, other, departure):  # noqa: F811
    """What somebody is told at every way in."""
    token = await back_at(world.desk, "x.ficticia", Carrier.BEARER)
    page, api = f"/espera/{departure}", f"/api/v1/held/{departure}"
    content = {"content": "0" * 64}
    return [
        (await other.get(page)).status,
        (await other.post(f"{page}/aprobar", {"contenido": "0" * 64})).status,
        (await other.post(f"{page}/soltar", {"texto": "0.0"})).status,
        (await other.post(f"{page}/descartar")).status,
        (await world.call("GET", api, token))[0],
        (await world.call("POST", f"{api}/approve", token, content))[0],
        (await world.call("POST", f"{api}/release", token, {"places": ["0.0"]}))[0],
        (await world.call("POST", f"{api}/drop", token))[0],
    ]


async def test_what_waits_at_another_office_is_not_there(world):  # noqa: F811
    departure = await waiting(world)
    other = await officer(world, "x.ficticia", ELSEWHERE)
    assert departure not in (await other.get("/espera")).text
    _, listed = await world.call("GET", "/api/v1/held", await back_at(world.desk, "x.ficticia", Carrier.BEARER))
    assert listed == {"held": []}
    assert await tried(world, other, departure) == [404] * 8
    second = await officer(world, "s.ficticia")
    page = await second.get(f"/espera/{departure}")
    assert HERE in page.text  # nobody let it go, and nobody dropped it
    assert (await second.post(f"/espera/{departure}/descartar")).location == "/espera?hecho=descartada"


async def test_control_without_the_look_another_office_reads_it(world, monkeypatch):  # noqa: F811
    departure = await waiting(world)
    other = await officer(world, "x.ficticia", ELSEWHERE)

    async def never(*_args, **_more):
        return False

    monkeypatch.setattr(ReadModels, "departure_hidden", never)
    assert HERE in (await other.get(f"/espera/{departure}")).text


@pytest.mark.parametrize("post", [f"officer@{OFFICE}", f"office-head@{OFFICE}"])
async def test_whoever_works_at_the_office_sees_it(world, post):  # noqa: F811
    departure = await waiting(world)
    assert departure in (await (await officer(world, "y.ficticia", post)).get("/espera")).text
