"""What a container starts as: the catalog's words over the foundation's."""

import pytest

from warmbase.catalog.model import ImageConfig
from warmbase.image.promises import ENVIRONMENT, PATH
from warmbase.image.start import container_config, container_environment
from warmbase.oci.digests import Json

BASE: dict[str, Json] = {
    "Env": ["PATH=/opt/tools:/usr/local/bin:/usr/local/sbin", "LANG=C.UTF-8", "UV_LINK_MODE=copy", "UV_CACHE_DIR=/c"],
    "User": "app",
    "WorkingDir": "/srv",
    "Entrypoint": ["/enter"],
    "Cmd": ["python3"],
    "Healthcheck": {"Test": ["CMD", "true"]},
    "OnBuild": ["RUN false"],
    "Hostname": "builder",
    "Labels": {"com.example.team": "a", "org.opencontainers.image.source": "elsewhere", "dev.warmbase.recipe": "x"},
}


def test_a_foundation_without_a_config_gives_what_a_python_image_needs() -> None:
    run = container_config(ImageConfig(), {"title": "x"}, {})
    assert run == {
        "WorkingDir": "/",
        "Cmd": ["python"],
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "Labels": {"title": "x"},
    }


def test_what_the_catalog_leaves_out_stays_as_the_base_has_it() -> None:
    run = container_config(ImageConfig(), {}, BASE)
    assert {name: run[name] for name in ("User", "WorkingDir", "Entrypoint", "Cmd", "Healthcheck")} == {
        name: BASE[name] for name in ("User", "WorkingDir", "Entrypoint", "Cmd", "Healthcheck")
    }


def test_what_the_catalog_says_counts_also_where_it_says_nothing_is_to_be() -> None:
    config = ImageConfig(user="", workdir="/app", entrypoint=(), command=("serve",))
    run = container_config(config, {}, BASE)
    assert (run.get("User"), run["WorkingDir"], run.get("Entrypoint"), run["Cmd"]) == (None, "/app", None, ["serve"])


def test_what_was_for_the_base_s_own_build_is_left_out() -> None:
    run = container_config(ImageConfig(), {"com.example.tier": "1"}, BASE)
    assert not {"OnBuild", "Hostname"} & run.keys()
    assert run["Labels"] == {"com.example.team": "a", "com.example.tier": "1"}


@pytest.mark.parametrize(("entrypoint", "command"), [((), ["python"]), (("serve",), None)])
def test_the_base_s_command_goes_with_its_entrypoint(entrypoint: tuple[str, ...], command: Json) -> None:
    assert container_config(ImageConfig(entrypoint=entrypoint), {}, BASE).get("Cmd") == command


def test_an_entrypoint_of_the_base_gets_no_command_that_the_base_has_not() -> None:
    run = container_config(ImageConfig(), {}, {"Entrypoint": ["/usr/bin/python3.11"]})
    assert (run["Entrypoint"], run.get("Cmd")) == (["/usr/bin/python3.11"], None)


def test_the_base_s_path_lies_behind_uv_s_folder_and_before_the_usual_one() -> None:
    variables = container_environment(BASE)
    assert variables["PATH"] == (
        "/opt/venv/bin:/usr/local/bin:/opt/tools:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    )
    assert container_environment({})["PATH"] == PATH


def test_the_contract_s_variables_win_and_those_that_leak_are_left_out() -> None:
    variables = container_environment(BASE)
    assert (variables["LANG"], variables["UV_CACHE_DIR"]) == ("C.UTF-8", "/opt/uv/cache")
    assert "UV_LINK_MODE" not in variables


@pytest.mark.parametrize(
    "variable",
    [
        "PYTHONHOME=/usr", "PYTHONPATH=/app", "PYTHONDONTWRITEBYTECODE=1", "PYTHONOPTIMIZE=1", "BASH_ENV=/activate",
        "ENV=/activate", "CONDA_PREFIX=/opt/conda", "VIRTUAL_ENV_PROMPT=app", "UV_FROZEN=1", "UV_NO_BINARY=1",
        "UV_CONFIG_FILE=/uv.toml", "UV_PROJECT=/app", "UV_INDEX_CORP_PASSWORD=s3",
        "PIP_INDEX_URL=https://user:word@index.example/simple", "HTTPS_PROXY=http://token@proxy.example",
    ],
)  # fmt: skip
def test_a_variable_of_the_base_that_would_break_the_contract_is_left_out(variable: str) -> None:
    plain = ["PYTHON_VERSION=3.13.5", "PYTHONUNBUFFERED=1", "NPM_CONFIG_REGISTRY=https://registry.example/npm"]
    assert container_environment({"Env": [variable, *plain]}) == container_environment({"Env": plain})
    assert container_environment({"Env": plain}).keys() == ENVIRONMENT.keys() | {one.partition("=")[0] for one in plain}
