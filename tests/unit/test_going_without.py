"""In CI a test that cannot run is a failure: what nothing checks is not called good."""

import pytest
from tests.conftest import go_without


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"CI": "1"}, {"WARMBASE_TEST_DOCKER": "/some/folder"}])
def test_in_ci_a_machine_that_lacks_something_fails(environment: dict[str, str]) -> None:
    with pytest.raises(pytest.fail.Exception, match="no archive"):
        go_without("no archive", environment)


@pytest.mark.parametrize("environment", [{}, {"CI": ""}, {"CI": "false"}])
def test_elsewhere_it_skips(environment: dict[str, str]) -> None:
    with pytest.raises(pytest.skip.Exception, match="no archive"):
        go_without("no archive", environment)
