"""What errors say, and what they do not."""

import pytest

from warmbase.errors import RegistryError, WarmbaseError, mask_login
from warmbase.oci.reference import Reference

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize("kind", WarmbaseError.__subclasses__())
def test_no_error_tells_a_password_of_an_address(kind: type[WarmbaseError]) -> None:
    address = "https://joe:s3cret@registry.example/bases"
    error: WarmbaseError = kind([address] if kind.__name__ == "CatalogError" else address, next_step=f"ask {address}")  # type: ignore[arg-type]

    assert "s3cret" not in str(error) + repr(error) + error.message + error.next_step
    assert "registry.example" in error.message


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("joe:s3cret@localhost:5000/data", "***@localhost:5000/data"),
        ("https://joe:s3cret@localhost:5000/data", "***@localhost:5000/data"),
        (f"joe:s3/c:r@et@localhost/data@{DIGEST}", f"***@localhost/data@{DIGEST}"),
        (f"localhost:5000/data:py3.13@{DIGEST}", f"localhost:5000/data:py3.13@{DIGEST}"),
        ("data:py3.13@ab12", "data:py3.13@ab12"),
        ("localhost:5000/data", "localhost:5000/data"),
    ],
)
def test_a_name_is_told_without_a_login(name: str, shown: str) -> None:
    assert mask_login(name) == shown


@pytest.mark.parametrize("login", ["joe:s3cret@", "https://joe:s3cret@", "s3cret@", "joe:s3cret@s3cret@"])
def test_a_reference_with_a_login_is_refused_without_telling_it(login: str) -> None:
    with pytest.raises(ValueError, match=r"localhost:5000/data:py3\.13") as caught:
        Reference.parse(f"{login}localhost:5000/data:py3.13")

    assert "s3cret" not in str(caught.value)


def test_a_registry_error_keeps_its_status() -> None:
    assert RegistryError("no", status=403).status == 403
