"""Numbers and frames of pictures in the names of SIDD."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.origin import REAL, UNSTATED, Origin
from nmflowgan_cli.data.sidd_instances import INSTANCES, SceneInstance, find_instance
from nmflowgan_cli.pairs.identity import identities
from nmflowgan_cli.pairs.plan import Take

S6 = Condition("S6", 100)
OWN = find_instance("0004_001_S6_00100_00060_4400_L")
TAKE = Take(Path("c"), Path("n"), "n", 0, S6, "001", "train", "n", OWN, 10, REAL)


def test_pictures_of_sidd_keep_instance_and_frame() -> None:
    [first, second] = identities([TAKE, replace(TAKE, frame=11)])
    assert (first.instance, first.frame, second.instance, second.frame) == (OWN, 10, OWN, 11)


def test_crops_of_one_frame_have_numbers_that_no_frame_has() -> None:
    frames = [identity.frame for identity in identities([replace(TAKE, frame=frame) for frame in (None, 10, 11, 10)])]
    assert frames == [10, 100, 11, 101]


def test_others_are_numbered_above_sidd_and_share_the_number_of_their_scene() -> None:
    other = replace(TAKE, instance=None, frame=None, origin=UNSTATED)
    takes = [
        replace(other, scene="desk"),
        TAKE,
        replace(other, scene="door"),
        replace(other, scene="desk", condition=Condition("X1", 640)),
        replace(TAKE, origin=Origin("isp", "0a", 0)),
        replace(TAKE, condition=Condition("S6", 200)),
    ]
    found = list(identities(takes))
    assert [identity.instance.number for identity in found] == [201, 4, 202, 203, 204, 205]
    assert [identity.instance.scene for identity in found] == ["201", "001", "202", "201", "203", "203"]
    assert [identity.frame for identity in found] == [None, 10, None, None, None, None]
    assert found[3].instance.condition == Condition("X1", 640)


pictures = st.builds(
    lambda number, frame, scene, origin: replace(
        TAKE,
        instance=None if number is None else SceneInstance(number, scene, S6, 60, 4400, "L"),
        scene=scene,
        frame=frame,
        origin=origin,
    ),
    st.none() | st.integers(0, 203),
    st.none() | st.integers(0, 103),
    st.sampled_from(["001", "201", "desk"]),
    st.sampled_from([REAL, UNSTATED, Origin("isp", "0a", 0)]),
)


@given(st.lists(pictures, max_size=30))
def test_no_two_pictures_are_the_same_and_none_takes_the_place_of_sidds(takes: list[Take]) -> None:
    found = list(identities(takes))
    assert len({(identity.instance.name, identity.frame) for identity in found}) == len(takes)
    for take, identity in zip(takes, found, strict=True):
        own = take.instance is not None and 0 < take.instance.number <= INSTANCES and not take.origin.synthetic
        assert (identity.instance == take.instance) if own else (identity.instance.number > INSTANCES)
        assert identity.instance.condition == take.condition
