"""The verify stage and its children, on a runner that only pretends."""

import json
import subprocess
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.baseimages import entries_of
from tests.unit.verify.conftest import PLATFORM, Tiny, fit_files, locked

from warmbase.effects.process import Finished
from warmbase.effects.runner import NO_HOSTS, Bind, Root, Sandbox
from warmbase.errors import ProcessError, VerificationError
from warmbase.image.assemble import BuiltImage
from warmbase.oci.layout import publish_to_layout
from warmbase.oci.tar import file_of
from warmbase.verify.children import CHILDREN, Child, children_of, run_child, skipped_backends, step
from warmbase.verify.model import STATIC_ONLY, VerifiedImage
from warmbase.verify.record import hash_smoke, hash_smokes, read_record, read_verified
from warmbase.verify.running import check_running
from warmbase.verify.stage import verify_image
from warmbase.verify.subject import ANY_UID, OWN_GROUP, ROOT
from warmbase.verify.workspace import usable_backends, workspace_files

Answer = Callable[[Sequence[str], str], Finished | None]


@dataclass(frozen=True)
class PretendedSandbox:
    """Says yes to every command, unless `answer` says otherwise; `ran` is what it was asked for."""

    answer: Answer
    ran: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        user: str = "0:0",
        cwd: str = "/",
        input: bytes = b"",
        timeout: float = 600,
    ) -> Finished:
        self.ran.append((" ".join(argv), user, env))
        return self.answer(argv, user) or say(argv)

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str], user: str = "0:0", cwd: str = "/"
    ) -> subprocess.Popen[bytes]:
        raise NotImplementedError


def say(argv: Sequence[str]) -> Finished:
    """What a right image says."""
    command = " ".join(argv)
    if "probe.py" in command:
        names = argv[3:]
        lines = [{"name": n, "modules": [n], "scripts": [n], "kind": "", "problems": [], "seconds": 0.0} for n in names]
        return Finished(code=0, stdout="\n".join(map(json.dumps, lines)).encode(), stderr=b"")
    if "--system" in argv:
        return Finished(code=2, stdout=b"", stderr=b"The packages are in /opt/venv.")
    known = {"sys.version_info": b"/opt/venv 3.13", "uv --version": b"uv 0.13.8", "uvx --version": b"uvx 0.13.8"}
    return Finished(code=0, stdout=next((said for key, said in known.items() if key in command), b""), stderr=b"")


@dataclass
class PretendedRunner:
    """Opens pretended sandboxes and counts them."""

    answer: Answer = lambda argv, user: None
    name: str = "pretended"
    opened: int = 0
    ran: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    @contextmanager
    def open(
        self,
        root: Root,
        *,
        binds: Sequence[Bind] = (),
        hosts: Mapping[str, str] = NO_HOSTS,
        network: bool = False,
        hostname: str = "warmbase",
    ) -> Iterator[Sandbox]:
        assert not network
        self.opened += 1
        yield PretendedSandbox(self.answer, self.ran)


def verify(tiny: Tiny, image: BuiltImage, runner: PretendedRunner, records: Path, **more: object) -> VerifiedImage:
    return verify_image(
        image,
        tiny.lock,
        store=tiny.store,
        unpacked=tiny.unpacked,
        runner=runner,
        records=records,
        **{"environment": {}, "runs": lambda platform: "native", **more},  # type: ignore[arg-type]
    )


def test_a_right_image_is_verified_once(tiny: Tiny, tmp_path: Path) -> None:
    image, runner = tiny.build(), PretendedRunner()
    verified = verify(tiny, image, runner, tmp_path / "records")
    names = [finding.check for finding in verified.verification.findings]
    assert len(names) == len(set(names))
    assert {child.name for child in children_of(tiny.subject(image))} < set(names)
    assert {"imports of alpha", "imports of beta", "console scripts"} < set(names)
    assert read_verified(tmp_path / "records") == {(image.digest, ""): True}

    opened = runner.opened
    assert verify(tiny, image, runner, tmp_path / "records").verification == verified.verification
    assert runner.opened == opened
    layout = publish_to_layout(tmp_path / "dist", [image.layout_image("registry.example")], tiny.store)
    verify(tiny, image, runner, tmp_path / "records", layout=layout)
    assert runner.opened == 2 * opened


def test_a_verification_anew_reads_the_blobs_of_the_layout(tiny: Tiny, tmp_path: Path) -> None:
    image = tiny.build([file_of("opt/venv/a", b"")])
    layout = publish_to_layout(tmp_path / "dist", [image.layout_image("registry.example")], tiny.store)
    damaged, missing = (layout.blob_path(layer.digest) for layer in image.layers)
    content = damaged.read_bytes()
    damaged.unlink()  # it is the store's as well
    damaged.write_bytes(content[:-1] + b"?")
    missing.unlink()
    with pytest.raises(VerificationError) as caught:
        verify(tiny, image, PretendedRunner(), tmp_path / "records", layout=layout)
    lines = caught.value.message.splitlines()
    assert lines[1:] == ["blobs:", f"  {damaged} is damaged", f"  {missing}: No such file or directory"]
    assert caught.value.next_step.startswith("run `warmbase build tiny:py3.13-trixie`")


def test_a_layout_with_another_image_in_its_place_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    other, image = tiny.build([file_of("opt/venv/a", b"")]), tiny.build()
    layout = publish_to_layout(tmp_path / "dist", [other.layout_image("registry.example")], tiny.store)
    runner = PretendedRunner()
    with pytest.raises(VerificationError, match=f"holds {other.digest} as tiny:py3.13-trixie on {PLATFORM}, not"):
        verify(tiny, image, runner, tmp_path / "records", layout=layout)
    assert runner.opened == 0


def test_an_interruption_closes_the_sandboxes_and_starts_no_child_more(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child hangs until its sandbox is closed; meanwhile the verification is interrupted as Ctrl-C does it."""
    hangs, closed = threading.Event(), threading.Event()

    class Hanging(PretendedRunner):
        @contextmanager
        def open(self, root: Root, **more: Any) -> Iterator[Sandbox]:
            with super().open(root, **more) as sandbox:
                try:
                    yield sandbox
                finally:
                    closed.set()

    def hang(argv: Sequence[str], user: str) -> Finished | None:
        if "write.py" in " ".join(argv):
            hangs.set()
            assert closed.wait(20), "nobody closed the sandbox"
        return None

    def interrupt(*_: object) -> None:
        assert hangs.wait(20)
        raise KeyboardInterrupt

    runner, image = Hanging(hang), tiny.build()
    monkeypatch.setattr("warmbase.verify.stage.check_image", interrupt)
    with pytest.raises(KeyboardInterrupt):
        verify(tiny, image, runner, tmp_path / "records", jobs=1)
    assert closed.is_set()
    assert runner.opened == 1
    assert list((tmp_path / "records").glob("*")) == []


def test_another_smoke_file_is_another_question(tiny: Tiny, tmp_path: Path) -> None:
    image, runner, smoke = tiny.build(), PretendedRunner(), tmp_path / "smoke.py"
    verify(tiny, image, runner, tmp_path / "records")
    smoke.write_text("1")
    checked = replace(image, variant=replace(image.variant, smoke=smoke))
    verify(tiny, checked, runner, tmp_path / "records")
    opened = runner.opened
    verify(tiny, checked, runner, tmp_path / "records")
    assert runner.opened == opened
    assert read_verified(tmp_path / "records") == {(image.digest, hash_smoke(smoke)): True}
    smoke.write_text("2")
    assert (image.digest, hash_smoke(smoke)) not in read_verified(tmp_path / "records")
    verify(tiny, checked, runner, tmp_path / "records")
    assert runner.opened > opened


def test_the_checks_of_what_an_image_is_from_run_before_its_own(tiny: Tiny, tmp_path: Path) -> None:
    image, parents, own = tiny.build(), tmp_path / "parents.py", tmp_path / "own.py"
    parents.write_text("1")
    own.write_text("2")
    variant = replace(image.variant, smoke=own, made_from=replace(image.variant, image="base", smoke=parents))
    child = replace(image, variant=variant)

    def fail(argv: Sequence[str], user: str) -> Finished | None:
        return Finished(code=1, stdout=b"", stderr=b"no good") if argv[-1] == "/run/smoke.py" else None

    records = tmp_path / "records"
    verified = verify(tiny, child, PretendedRunner(), records)
    checks = [finding.check for finding in verified.verification.findings if "smoke.py" in finding.check]
    assert checks == ["smoke.py of base", "smoke.py"]
    assert read_verified(records) == {(child.digest, hash_smokes([parents, own])): True}

    parents.write_text("3")
    with pytest.raises(VerificationError, match=r"1 of its checks failed\nsmoke\.py of base"):
        verify(tiny, child, PretendedRunner(fail), records)


def test_a_failed_child_fails_the_image_and_is_not_remembered_as_right(tiny: Tiny, tmp_path: Path) -> None:
    def refuse(argv: Sequence[str], user: str) -> Finished | None:
        denied = user == OWN_GROUP.id and "--dry-run" in argv
        return Finished(code=2, stdout=b"", stderr=b"error: Permission denied (os error 13)\n") if denied else None

    image = tiny.build()
    with pytest.raises(VerificationError) as caught:
        verify(tiny, image, PretendedRunner(refuse), tmp_path)
    assert caught.value.message.splitlines() == [
        "tiny:py3.13-trixie on linux/amd64: 1 of its checks failed",
        "own .venv, as 1000:1000:",
        "  UV_PROJECT_ENVIRONMENT=.venv uv sync --frozen --dry-run as 1000:1000 ended with code 2",
        "  error: Permission denied (os error 13)",
    ]
    assert read_verified(tmp_path) == {}
    assert verify(tiny, image, PretendedRunner(), tmp_path).summary.endswith("not run")


def test_an_image_for_another_cpu_is_looked_at_closely_and_said_to_be_not_run(tiny: Tiny, tmp_path: Path) -> None:
    image, runner = tiny.build(entries_of(fit_files())), PretendedRunner()
    verified = verify(tiny, image, runner, tmp_path, runs=lambda platform: "")
    assert runner.opened == 0
    assert verified.summary.startswith("static only: ")
    passed = {finding.check for finding in verified.verification.having("passed")}
    assert {"documents", "contract files", "programs for the platform", "pointers of the cache"} < passed
    skipped = {finding.check: finding.detail for finding in verified.verification.having("not run")}
    assert skipped.keys() == {"the image", *(child.name for child in children_of(tiny.subject(image)))}
    assert set(skipped.values()) == {
        f"this machine cannot execute programs for {PLATFORM}; with qemu it can:"
        " apt-get install qemu-user-static binfmt-support"
    }
    assert read_record(tmp_path, image.digest, STATIC_ONLY)
    assert read_verified(tmp_path) == {(image.digest, ""): False}


def test_an_image_that_qemu_runs_is_looked_at_closely_and_says_what_ran_it(tiny: Tiny, tmp_path: Path) -> None:
    image, runner = tiny.build(entries_of(fit_files())), PretendedRunner()
    verify(tiny, image, runner, tmp_path, runs=lambda platform: "")
    verified = verify(tiny, image, runner, tmp_path, runs=lambda platform: "qemu")
    assert verified.verification.runner == "pretended, qemu"
    assert runner.opened > 1
    checks = {finding.check for finding in verified.verification.findings}
    assert {"documents", "programs for the platform", "imports of alpha"} < checks
    opened = runner.opened
    assert verify(tiny, image, runner, tmp_path, runs=lambda platform: "qemu") == verified
    assert runner.opened == opened


def test_secrets_of_the_build_are_looked_for(tiny: Tiny, tmp_path: Path) -> None:
    image = tiny.build(**{"pylock.toml": "https://user:correct-horse@index.example/simple"})
    with pytest.raises(VerificationError, match=r"opt/warmbase/pylock.toml holds the secret in INDEX_PASSWORD"):
        verify(tiny, image, PretendedRunner(), tmp_path, environment={"INDEX_PASSWORD": "correct-horse"})


def test_a_package_that_ends_the_interpreter_does_not_hide_the_others(tiny: Tiny) -> None:
    def crash(argv: Sequence[str], user: str) -> Finished | None:
        if "alpha" in argv:
            return Finished(code=139, stdout=b'{"name": "alpha", "doing": true}\n', stderr=b"Segmentation fault")
        return None

    image = tiny.build()
    findings = list(check_running(PretendedSandbox(crash), tiny.subject(image), ()))
    outcomes = {finding.check: (finding.outcome, finding.detail) for finding in findings}
    assert outcomes["imports of alpha"] == ("failed", "it ended the interpreter with code 139\nSegmentation fault")
    assert outcomes["imports of beta"] == ("passed", "beta")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"/usr 3.13", "python -c"),
        (b"/opt/venv 3.12", "python -c"),
    ],
)
def test_the_interpreter_has_to_be_the_venvs(tiny: Tiny, answer: bytes, expected: str) -> None:
    def lie(argv: Sequence[str], user: str) -> Finished | None:
        return Finished(code=0, stdout=answer, stderr=b"") if "sys.version_info" in " ".join(argv) else None

    finding = next(iter(check_running(PretendedSandbox(lie), tiny.subject(tiny.build()), ())))
    assert finding.outcome == "failed"
    assert expected in finding.detail
    assert answer.decode() in finding.detail


def test_the_environment_is_the_images_own(tiny: Tiny) -> None:
    runner = PretendedRunner()
    child = Child(name="c", owner=ROOT, files=lambda _: {}, steps=(step(ANY_UID, "uv sync", UV_OFFLINE="1"),))
    assert run_child(child, tiny.subject(tiny.build()), runner, Root(folders=())).outcome == "passed"
    command, user, environment = runner.ran[-1]
    assert (command, user) == ("uv sync", "12345:0")
    assert environment.items() >= {"HOME": "/tmp", "UV_OFFLINE": "1", "UV_CACHE_DIR": "/opt/uv/cache"}.items()
    assert not environment.keys() - {"PATH", "HOME", "UV_OFFLINE"} - tiny.subject(tiny.build()).environment.keys()


def test_a_child_stops_at_its_first_failure(tiny: Tiny) -> None:
    runner = PretendedRunner(lambda argv, user: Finished(code=1, stdout=b"", stderr=b"no") if "two" in argv else None)
    child = Child(
        name="c", owner=ROOT, files=lambda _: {}, steps=tuple(step(ROOT, f"uv {n}") for n in ("one", "two", "three"))
    )
    finding = run_child(child, tiny.subject(tiny.build()), runner, Root(folders=()))
    assert (finding.outcome, finding.detail) == ("failed", "uv two as 0:0 ended with code 1\nno")
    assert [command for command, _, _ in runner.ran][1:] == ["uv one", "uv two"]


def test_what_must_never_be_said_fails_a_step(tiny: Tiny) -> None:
    said = Finished(code=0, stdout=b"", stderr=b"Would download 1 package")
    child = Child(name="c", owner=ROOT, files=lambda _: {}, steps=(step(ROOT, "uv sync --dry-run", never="download"),))
    runner = PretendedRunner(lambda argv, user: said if "sync" in argv else None)
    assert run_child(child, tiny.subject(tiny.build()), runner, Root(folders=())).outcome == "failed"


def test_time_limits_are_failures_too(tiny: Tiny) -> None:
    def hang(argv: Sequence[str], user: str) -> Finished | None:
        raise ProcessError("uv in the sandbox did not end within 600 s")

    finding = run_child(CHILDREN[0], tiny.subject(tiny.build()), PretendedRunner(hang), Root(folders=()))
    assert (finding.outcome, finding.detail) == ("failed", "uv in the sandbox did not end within 600 s")


def test_every_user_of_the_contract_has_a_child() -> None:
    users = {step.user for child in CHILDREN for step in child.steps}
    assert users == {ROOT, ANY_UID, OWN_GROUP}


def test_the_workspace_has_a_member_for_each_backend_that_can_build(tiny: Tiny) -> None:
    warm = [locked(name, use="warm") for name in ("editables", "setuptools", "scikit-build-core", "cmake", "maturin")]
    subject = tiny.subject(tiny.build(), *warm)
    usable, skipped = usable_backends(subject)
    assert [backend.package for backend in usable] == ["hatchling", "uv-build", "setuptools"]
    assert skipped == {
        "scikit-build-core": "it needs ninja, which the image does not keep warm",
        "maturin": "it needs a Rust compiler, which images do not have",
    }
    assert {finding.check for finding in skipped_backends(subject)} == {
        "workspace member built by scikit-build-core",
        "workspace member built by maturin",
    }
    files = workspace_files(subject, usable)
    assert 'build-backend = "hatchling.build"' in files["pkgs/member-hatchling/pyproject.toml"]
    assert 'dependencies = ["beta", "member-hatchling"]' in files["pkgs/member-uv-build/pyproject.toml"]
    assert files["pkgs/member-uv-build/pyproject.toml"].startswith('[build-system]\nrequires = ["uv_build>=0.13.8"]')


def test_without_pytest_the_members_are_tested_by_unittest_and_that_is_said(tiny: Tiny, tmp_path: Path) -> None:
    image = tiny.build()
    verified = verify(tiny, image, PretendedRunner(), tmp_path)
    outcomes = {finding.check.rpartition(" ")[2]: finding for finding in verified.verification.findings}
    assert (outcomes["pytest"].outcome, outcomes["pytest"].detail) == ("not run", "pytest is not in the image")
    assert outcomes["unittest"].outcome == "passed"
    with_pytest = [child.name for child in children_of(tiny.subject(image, locked("pytest", use="warm")))]
    assert any(name.endswith("pytest") for name in with_pytest)
    assert not any(name.endswith("unittest") for name in with_pytest)


def test_an_image_without_packages_has_members_that_depend_on_none(tiny: Tiny) -> None:
    subject = replace(tiny.subject(tiny.build()), lock=replace(tiny.lock, packages=()))
    files = workspace_files(subject, usable_backends(subject)[0])
    assert "dependencies = []" in files["pkgs/member-uv-build/pyproject.toml"]
    for child in children_of(subject):
        for path, text in child.files(subject).items():
            if path.endswith(".py"):
                compile(text, path, "exec")
            elif path.endswith(".toml"):
                tomllib.loads(text)


def test_the_smallest_packages_without_requirements_come_first(tiny: Tiny) -> None:
    assert [package.name for package in tiny.subject(tiny.build()).smallest(3)] == ["beta", "alpha"]
