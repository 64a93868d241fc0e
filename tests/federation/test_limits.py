"""Which addresses a peer may have: forty spellings."""

from ipaddress import ip_network

import pytest

from contracts.errors import ProblemCode
from gateway.federation.limits import AddressBudget, address_allowed
from gateway.federation.problems import STATUS, problem

REFUSED = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.0.1",
    "100.64.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.7",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:c0a8:101::",
    "2001:0:7f00:1::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
    "example.org",
]
ALLOWED = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00:1450::1"]


def test_at_least_forty_spellings():
    assert len(REFUSED) + len(ALLOWED) >= 40


@pytest.mark.parametrize("address", REFUSED)
def test_refused(address):
    assert not address_allowed(address, ())


@pytest.mark.parametrize("address", ALLOWED)
def test_allowed(address):
    assert address_allowed(address, ())


def test_the_operator_can_name_a_network_and_only_that():
    named = [ip_network("10.20.0.0/16")]
    assert address_allowed("10.20.1.1", named)
    assert address_allowed("::ffff:10.20.1.1", named)
    assert not address_allowed("10.21.1.1", named)


def test_every_code_has_a_status_and_says_nothing_more():
    assert set(STATUS) == set(ProblemCode)
    for code in ProblemCode:
        assert set(problem(code)) == {"type", "title", "status"}
        assert STATUS[code] < 500 or code.value in {"locked", "unavailable", "internal"}


def test_a_budget_is_spent_and_comes_back_with_time():
    time = [0.0]
    budget = AddressBudget(bytes_per_second=10, burst=100, monotonic=lambda: time[0])
    assert budget.spend("a", 150)
    assert not budget.spend("a", 1)
    assert budget.spend("b", 1)
    time[0] = 10
    assert budget.spend("a", 1)
