"""How room is divided among organisations."""

from collections import Counter
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from tidings.store.fairness import Shares


def one_by_one(shares: Shares, room: int, org_ids: Sequence[int], weights: Mapping[int, int]) -> dict[int, int]:
    """Divide room by giving out each turn for itself."""
    given_out: Counter[int] = Counter()
    for _ in range(room):
        turn = shares.divide(1, org_ids, weights)
        shares.charge(turn, weights)
        given_out.update(turn)
    return dict(given_out)


@given(
    weights=st.dictionaries(st.integers(0, 8), st.sampled_from([1, 2, 8, 64]), min_size=1),
    rooms=st.lists(st.tuples(st.integers(1, 100), st.sets(st.integers(0, 8), min_size=1)), min_size=1, max_size=3),
)
def test_room_that_comes_at_once_is_shared_as_if_it_came_one_by_one(
    weights: dict[int, int], rooms: list[tuple[int, set[int]]]
) -> None:
    at_once, slowly = Shares(), Shares()
    for room, org_ids in rooms:
        competing = sorted(org_ids)
        quotas = at_once.divide(room, competing, weights)
        at_once.charge(quotas, weights)
        assert quotas == one_by_one(slowly, room, competing, weights)
