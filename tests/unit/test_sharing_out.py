"""Which tests one of several workers runs, and when."""

from tests.workers import group_of, place_of

ENGINES = "tests/e2e/docker/test_podman.py::test_podman_loads"
CHILDREN = "tests/e2e/children/test_scenarios.py::test_a_child[one::two]"
IMAGES = "tests/e2e/test_builds.py::test_a_build"
UNIT = "tests/unit/lock/test_lock_model.py::test_a_lock[a::b]"


def test_a_module_is_never_divided() -> None:
    assert [group_of(test) for test in (IMAGES, UNIT)] == [
        "tests/e2e/test_builds.py",
        "tests/unit/lock/test_lock_model.py",
    ]


def test_one_worker_has_all_tests_of_an_engine() -> None:
    assert group_of(ENGINES) == group_of("tests/e2e/docker/test_compiled.py::test_packages_are_compiled")
    assert group_of(CHILDREN) == group_of("tests/e2e/children/test_development.py::test_a_dev_container")
    assert len({group_of(test) for test in (ENGINES, CHILDREN, IMAGES, UNIT)}) == 4


def test_what_takes_long_begins_first() -> None:
    assert sorted([UNIT, IMAGES, CHILDREN, ENGINES], key=place_of) == [ENGINES, CHILDREN, IMAGES, UNIT]
