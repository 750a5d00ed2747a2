"""The schedule is fair: equal shares, no place or order preferred, whatever the drift."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlproxy.mode import Mode
from mlproxy.slots import Pairing, Slot, SlotPlan, make_plan
from mlproxy.trial import Measure, Pair, Result, classify, slots_per_pair

SHARES = [Fraction(1, 8), Fraction(1, 2), Fraction(7, 8), Fraction(15, 16), Fraction(63, 64)]
shares = st.sampled_from(SHARES)


@pytest.mark.parametrize("share", SHARES)
def test_the_share_is_exact_in_every_block(share: Fraction) -> None:
    plan, length = SlotPlan(share, seed=7), slots_per_pair(share)
    for block in range(20):
        slots = [plan.at(block * length + place) for place in range(length)]
        assert Fraction(sum(slot.arm == "treated" for slot in slots), length) == share


@given(shares, st.integers(0, 2**32 - 1), st.integers(0, 1000))
def test_a_pair_is_two_slots_side_by_side_one_of_each(
    share: Fraction, seed: int, block: int
) -> None:
    plan, length = SlotPlan(share, seed), slots_per_pair(share)
    slots = [plan.at(block * length + place) for place in range(length)]
    places = [place for place, slot in enumerate(slots) if slot.pair is not None]
    assert len(places) == 2
    assert places[1] == places[0] + 1
    assert {slots[place].arm for place in places} == {"treated", "baseline"}
    assert {slots[place].pair for place in places} == {block}
    assert all(slot.measured == (slot.pair is not None or slot.arm == "baseline") for slot in slots)


def test_order_and_place_are_evenly_spread() -> None:
    plan = SlotPlan(Fraction(1, 8), seed=1)
    seen: Counter[tuple[int, str]] = Counter()
    for block in range(4000):
        slots = [plan.at(8 * block + place) for place in range(8)]
        first = next(place for place, slot in enumerate(slots) if slot.pair is not None)
        seen[first, slots[first].arm] += 1
    assert len(seen) == 14
    expected, sigma = 4000 / 14, math.sqrt(4000 / 14 * 13 / 14)
    assert all(abs(count - expected) < 5 * sigma for count in seen.values())


def test_equal_seeds_give_equal_schedules_and_others_differ() -> None:
    def arms(seed: int) -> list[str]:
        return [SlotPlan(Fraction(1, 2), seed).at(index).arm for index in range(64)]

    assert arms(3) == arms(3)
    assert arms(3) != arms(4)


def test_no_share_or_the_whole_share_is_not_measured() -> None:
    assert SlotPlan(Mode.EMERGENCY.share, 0).at(5) == Slot("baseline", None, False)
    assert SlotPlan(Fraction(1), 0).at(5) == Slot("treated", None, False)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(SHARES[:3]), st.integers(0, 10**6), st.floats(-0.02, 0.02))
def test_under_no_effect_a_drift_never_makes_the_coin_unfair(
    share: Fraction, seed: int, drift: float
) -> None:
    """A steady drift makes the first slot of each pair always better, or always worse."""
    plan, length = SlotPlan(share, seed), slots_per_pair(share)
    wins = pairs = 0
    for index in range(600 * length):
        slot = plan.at(index)
        if slot.pair is None or slot.arm != "treated":
            continue
        first = plan.at(index - 1).pair != slot.pair
        wins += (drift < 0) == first
        pairs += 1
    assert abs(wins - pairs / 2) < 5 * math.sqrt(pairs / 4)


@pytest.mark.parametrize(
    ("slot_s", "settle_s", "resolution_s", "length_s", "washout_s"),
    [
        (None, 0.0, 0.0, 0.25, 0.0625),
        (None, 2.0, 0.0, 8 / 3, 2.0),
        (1.0, 0.1, 0.0, 1.0, 0.25),
        (0.1, 0.0, 0.0, 0.25, 0.0625),
        (1.0, 2.0, 0.0, 8 / 3, 2.0),
        (None, 0.0, 1.0, 4.0, 1.0),
        (None, 2.0, 1.0, 4.0, 3.0),
    ],
)
def test_length_and_washout(
    slot_s: float | None, settle_s: float, resolution_s: float, length_s: float, washout_s: float
) -> None:
    plan = make_plan(Fraction(1, 2), 0, slot_s, settle_s, resolution_s)
    assert [plan.slot_s, plan.washout_s] == pytest.approx([length_s, washout_s])


def test_slots_are_counted_from_the_start_of_the_plan() -> None:
    plan = SlotPlan(Fraction(1, 2), 0, slot_s=1.0, washout_s=0.25)
    assert [plan.index(elapsed) for elapsed in (0.0, 0.99, 1.0, 7.5)] == [0, 0, 1, 7]
    assert SlotPlan(Fraction(1, 2), 0, slot_s=0.25).index(1.1) == 4


def measure(events: int) -> Measure:
    return Measure(events, 1_000_000_000)


def feed(pairing: Pairing, plan: SlotPlan, events: list[int | None]) -> list[Pair]:
    pairs = []
    for index, count in enumerate(events):
        pair = pairing.add(plan.at(index), None if count is None else measure(count))
        pairs += [pair] if pair else []
    return pairs


def test_pairs_come_with_their_baseline_neighbours() -> None:
    plan = SlotPlan(Fraction(1, 8), seed=5)
    pairs = feed(Pairing(), plan, list(range(100, 116)))
    own = [[i for i in range(16) if plan.at(i).pair == block] for block in (0, 1)]
    assert len(pairs) >= 1
    for pair, places in zip(pairs, own, strict=False):
        treated, baseline = sorted(places, key=lambda i: plan.at(i).arm, reverse=True)
        assert pair.treated == measure(100 + treated)
        assert pair.baseline == measure(100 + baseline)
        assert pair.before == (measure(100 + places[0] - 1) if places[0] else None)
        assert pair.after == measure(100 + places[1] + 1)


def test_at_one_half_the_neighbours_are_the_next_pairs_baseline_slots() -> None:
    plan = SlotPlan(Fraction(1, 2), seed=5)
    pairs = feed(Pairing(), plan, list(range(100, 108)))
    base = [measure(100 + i) for i in range(8) if plan.at(i).arm == "baseline"]
    assert [pair.baseline for pair in pairs] == base[:3]
    assert [pair.before for pair in pairs] == [None, *base[:2]]
    assert [pair.after for pair in pairs] == base[1:]


def test_a_slot_that_was_not_measured_gives_its_pair_up() -> None:
    plan = SlotPlan(Fraction(1, 2), seed=5)
    for lost in (2, 3):
        events: list[int | None] = [100] * 8
        events[lost] = None
        assert len(feed(Pairing(), plan, events)) == 2


def test_treated_slots_outside_a_pair_are_not_used() -> None:
    assert Pairing().add(Slot("treated", None, False), measure(100)) is None


def test_a_new_plan_forgets_the_half_pair() -> None:
    pairing, plan = Pairing(), SlotPlan(Fraction(1, 2), seed=5)
    pairing.add(plan.at(0), measure(1))
    pairing.new_plan()
    assert feed(pairing, SlotPlan(Fraction(1, 2), seed=6), [100, 100, 100, 100])[0] == Pair(
        measure(100), measure(100), None, measure(100)
    )


def test_a_pair_waits_until_its_neighbour_is_known() -> None:
    pairing, plan = Pairing(), SlotPlan(Fraction(1, 2), seed=5)
    for index in (0, 1):
        assert pairing.waiting is None
        slot = plan.at(index)
        pairing.add(slot, measure(100 if slot.arm == "baseline" else 50))
    assert pairing.waiting == Pair(measure(50), measure(100))
    feed(pairing, SlotPlan(Fraction(1, 8), seed=5), [100])
    assert pairing.waiting is None


def test_a_workload_that_halves_between_the_neighbours_is_thrown_out() -> None:
    plan = SlotPlan(Fraction(1, 2), seed=5)
    pairs = feed(Pairing(), plan, [300, 300, 300, 300, 100, 100, 100, 100])
    assert [classify(pair) for pair in pairs] == [Result.TIE, Result.VOID, Result.VOID]


def neutral_workload(index: int, chance: random.Random) -> int:
    """Progress in a slot, whoever rules: waves, jumps of five times, and a skewed noise."""
    wave = math.exp(0.5 * math.sin(index / 9) + 0.8 * math.sin(index / 170))
    jump = 5 if index // 37 % 3 == 0 else 1
    return round(2000 * wave * jump * chance.expovariate(1.0)) + 16


@pytest.mark.parametrize("share", SHARES[:3])
def test_a_neutral_value_wins_as_often_as_it_loses_under_any_workload(share: Fraction) -> None:
    """The whole chain; pairs are thrown out for a shift, and that must not favour an arm."""
    plan, pairing, chance = SlotPlan(share, seed=11), Pairing(), random.Random(12)
    seen: Counter[Result] = Counter()
    for index in range(6000 * slots_per_pair(share)):
        pair = pairing.add(plan.at(index), measure(neutral_workload(index, chance)))
        seen[classify(pair) if pair else Result.UNTESTED] += 1
    judged = seen[Result.WIN] + seen[Result.LOSE]
    assert seen[Result.VOID] > 400
    assert judged > 1600
    assert abs(seen[Result.WIN] - judged / 2) < 4 * math.sqrt(judged / 4)
