"""What a container starts as: the catalog's words over the foundation's."""

from warmbase.catalog.model import ImageConfig
from warmbase.image.contract import ENVIRONMENT, PATH
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


def test_the_base_s_path_lies_between_the_venv_s_and_the_usual_one() -> None:
    variables = container_environment(BASE)
    assert variables["PATH"] == (
        "/opt/venv/bin:/opt/tools:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    )
    assert container_environment({})["PATH"] == PATH


def test_the_contract_s_variables_win_and_those_that_leak_are_left_out() -> None:
    variables = container_environment(BASE)
    assert (variables["LANG"], variables["UV_CACHE_DIR"]) == ("C.UTF-8", "/opt/uv/cache")
    assert "UV_LINK_MODE" not in variables
