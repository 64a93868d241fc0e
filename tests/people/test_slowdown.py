"""How long who fails waits: whatever an attacker's rhythm, few guesses are looked at, and no wait is long."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.people import slowdown
from gateway.people.ports import Failures
from gateway.people.slowdown import LONGEST, Bucket, after_failure, burst, remembered, waiting

NOW = datetime(2026, 11, 26, tzinfo=UTC)
TRIED = settings(print_blob=True, deadline=None)
rhythms = st.lists(st.integers(0, 1800).map(lambda seconds: timedelta(seconds=seconds)), max_size=200)


def attack(rhythm, free=5):
    """Try at these intervals; return (looked at, hours, longest wait told)."""
    known, now, looked, longest = None, NOW, 0, 0
    for pause in rhythm:
        now += pause
        left = waiting(known, now)
        longest = max(longest, left)
        if not left:
            looked, known = looked + 1, after_failure(Bucket(b"k", free), known, now)
    return looked, (now - NOW).total_seconds() / 3600, longest


@TRIED
@given(rhythms)
def test_no_rhythm_gets_more_than_a_guess_a_minute_and_no_wait_is_longer(rhythm):
    looked, hours, longest = attack(rhythm)
    assert looked <= 11 + 60 * hours
    assert longest <= LONGEST.total_seconds()


@TRIED
@given(st.integers(1, 10**9), st.integers(0, 10**6))
def test_quiet_is_forgiven_and_time_that_runs_backwards_forgives_nothing(count, seconds):
    known = Failures(b"k", count, NOW, NOW)
    later = remembered(known, NOW + timedelta(seconds=seconds))
    assert later <= count
    assert remembered(known, NOW - timedelta(seconds=seconds)) == count
    assert remembered(known, NOW + timedelta(hours=6)) == 0


def test_a_wait_written_by_a_clock_that_was_ahead_is_not_waited_for():
    known = Failures(b"k", 9, NOW + timedelta(days=400), NOW + timedelta(days=400, seconds=60))
    assert waiting(known, NOW) == 0


def test_who_came_at_the_same_time_and_was_counted_after_waits_for_nobody():
    """Several sign in behind one address: what one of them read of the clock is older than what another one wrote."""
    known = after_failure(Bucket(b"k", 20), None, NOW)
    assert waiting(known, NOW - timedelta(milliseconds=3)) == 0
    for _ in range(20):
        known = after_failure(Bucket(b"k", 20), known, NOW)
    assert waiting(known, NOW - timedelta(milliseconds=3)) > 0  # control: what cost a wait is waited for


def test_people_are_told_at_five_and_at_every_doubling():
    assert [count for count in range(1, 200) if burst(count)] == [5, 10, 20, 40, 80, 160]


def test_control_waits_that_are_free_for_ever_are_seen(monkeypatch):
    monkeypatch.setattr(slowdown, "after_failure", lambda bucket, known, now: Failures(bucket.key, 1, now, now))
    known, looked = None, 0
    for _ in range(100):
        looked += waiting(known, NOW) == 0
        known = slowdown.after_failure(Bucket(b"k", 5), known, NOW)
    assert looked == 100 > attack([timedelta()] * 100)[0]
