"""What `check` says about a catalog that is wrong: the exact words, all of them at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

Problems = Callable[[str], list[str]]

FOUNDATIONS = "foundations: {trixie: {debian: trixie}, bookworm: {debian: bookworm}}"
BEFORE = f"uv: 0.13.8\n{FOUNDATIONS}\n"
AFTER = "\nimages: {core: {foundation: trixie, requirements: [attrs]}}"

# Each fragment stands in line 3 of a catalog that is otherwise right.
WRONG_TOPS = {
    "registry: https://example.com/bases": "images.yaml:3:11: registry: 'https://example.com/bases' is not a "
    "registry's address; write host[:port][/path] in lowercase, without 'https://' and without a tag",
    "mirrors: {docker.io: 'https://mirror.example'}": "images.yaml:3:22: mirrors[\"docker.io\"]: "
    "'https://mirror.example' is not a registry's address; write host[:port][/path] in lowercase, "
    "without 'https://' and without a tag",
    "mirrors: {docker.io/library: mirror.example}": "images.yaml:3:11: mirrors[\"docker.io/library\"]: "
    "'docker.io/library' is not a registry's host; write host[:port] in lowercase, without 'https://' and "
    "without a path",
    "insecure: ['http://registry.example:5000']": "images.yaml:3:12: insecure[0]: 'http://registry.example:5000' "
    "is not a registry's host; write host[:port] in lowercase, without 'https://' and without a path",
    "indexes: {company: 'https://me:hunter2@index.example/simple'}": "images.yaml:3:20: indexes.company: an address "
    "with a user or a password would end up in images; take them out; UV_INDEX_<NAME>_USERNAME and "
    "UV_INDEX_<NAME>_PASSWORD, netrc or a keyring give them",
    "indexes: {company: index.example/simple}": "images.yaml:3:20: indexes.company: 'index.example/simple' is not an "
    "index's address; write an http or https address, without a user and a password",
    "indexes: {company: {mirrors: ['https://mirror.example/simple']}}": "images.yaml:3:11: indexes.company: the key "
    "'url' is missing; add the index's address",
    "indexes: {default: 'https://mirror.example/simple'}": "images.yaml:3:11: indexes.default: `default` is the index "
    "that uv uses by itself; give its other addresses as `{mirrors: [...]}`; which one is asked here, UV_DEFAULT_INDEX "
    "says",
    "indexes: {a: 'https://i.example/simple', b: 'https://i.example/simple/'}": "images.yaml:3:45: indexes.b: 'a' has "
    "this address too; keep one of the two",
    "indexes: {a: {url: 'https://i.example/a', mirrors: ['https://i.example/a/']}}": "images.yaml:3:53: "
    "indexes.a.mirrors[0]: 'a' has this address too; keep one of the two",
    "indexes: {a: 'https://i.example/a?token=hunter2'}": "images.yaml:3:14: indexes.a: an index's address has no query "
    "and no fragment; take them out: they may be secret",
    "sources: {torch: pytorch}": "images.yaml:3:18: sources.torch: there is no index 'pytorch'; define it under "
    "`indexes`",
    "platform: [linux/amd64]": "images.yaml:3:1: platform: there is no key 'platform' here; "
    "did you mean 'platforms'?",
    "platforms: [linux/x86_64]": "images.yaml:3:13: platforms[0]: no images are built for 'linux/x86_64'; "
    "did you mean 'linux/amd64'?",
    "platforms: [linux/amd64, linux/s390x]": "images.yaml:3:26: platforms[1]: no images are built for 'linux/s390x'; "
    "use 'linux/amd64' or 'linux/arm64'",
    "platforms: [linux/amd64/v3]": "images.yaml:3:13: platforms[0]: no images are built for 'linux/amd64/v3'; "
    "use 'linux/amd64' or 'linux/arm64'",
    "platforms: [linux/amd64, linux/amd64]": "images.yaml:3:26: platforms[1]: 'linux/amd64' is listed twice; "
    "keep one of the two",
    "platforms: [linux/arm64, linux/arm64/v8]": "images.yaml:3:26: platforms[1]: 'linux/arm64/v8' is the same "
    "as 'linux/arm64'; keep one of the two",
    "platforms: []": "images.yaml:3:12: platforms: no platform is listed; "
    "write at least one, e.g. [linux/amd64]",
    "platforms: linux/amd64": "images.yaml:3:12: platforms: 'linux/amd64' stands where a list belongs; "
    "write it in brackets: [linux/amd64]",
    "compression: {codec: lz4}": "images.yaml:3:22: compression.codec: 'lz4' is not known here; "
    "write 'zstd' or 'gzip'",
    "compression: brotli": "images.yaml:3:14: compression: 'brotli' is not known here; write 'zstd' or 'gzip'",
    "compression: [gzip]": "images.yaml:3:14: compression: a list stands where text or a mapping "
    "(`key: value`) belongs; replace it by text or a mapping (`key: value`)",
    "compression: {level: 23}": "images.yaml:3:22: compression.level: 23 is out of range; "
    "write a number from 1 to 22",
    "compression: {codec: gzip, level: 10}": "images.yaml:3:35: compression.level: gzip has no level 10; "
    "write a number from 1 to 9",
    "compression: {level: true}": "images.yaml:3:22: compression.level: 'true' stands where a whole number "
    "belongs",
    "sets:": "images.yaml:3:6: sets: there is no value, but a mapping (`key: value`) belongs here; "
    "add it or delete the key",
    "sets: {a: requests}": "images.yaml:3:11: sets.a: 'requests' stands where a list or a mapping "
    "(`key: value`) belongs; write it in brackets: [requests]",
    "sets: {a: [{name: requests}]}": "images.yaml:3:12: sets.a[0]: a mapping stands where text belongs; "
    "replace it by text",
    "sets: {a: {includes: [b]}}": "images.yaml:3:12: sets.a.includes: there is no key 'includes' here; "
    "did you mean 'include'?",
    "sets: {b: [attrs], a: {include: [c]}}": "images.yaml:3:34: sets.a.include[0]: there is no set 'c'; "
    "there are 'a' and 'b'",
    "sets: {a: {include: [a]}}": "images.yaml:3:21: sets.a.include: sets include each other: a → a; "
    "take one of the includes out",
    "sets: {a: {include: [b]}, b: {include: [c]}, c: {include: [b]}}": "images.yaml:3:59: sets.c.include: "
    "sets include each other: b → c → b; take one of the includes out",
    "sets: {'a b': []}": "images.yaml:3:8: sets[\"a b\"]: 'a b' is not a set's name; use letters, digits and "
    "single '.', '_' or '-' between them",
    "sets: {a: ['numpy>>2']}": "images.yaml:3:12: sets.a[0]: 'numpy>>2' is not a requirement: Expected "
    "semicolon (after name with no version specifier) or end; write it as in PEP 508, e.g. numpy>=2",
    "sets: {a: [-r base.txt]}": "images.yaml:3:12: sets.a[0]: '-r base.txt' is an option, not a requirement; "
    "name packages only; set the index with uv's own settings",
    "sets: {a: ['git+https://me:secret@index.example/x']}": "images.yaml:3:12: sets.a[0]: "
    "'git+https://***@index.example/x' does not name its package; write NAME @ ADDRESS, as in PEP 508",
    "sets: {a: ['x @ file:///srv/x.whl']}": "images.yaml:3:12: sets.a[0]: 'x @ file:///srv/x.whl' refers to what "
    "containers and other machines cannot read; name an address that begins with one of git+https, git+ssh, "
    "git+http, https, http",
    "sets: {a: ['x @ https://token@index.example/x.whl']}": "images.yaml:3:12: sets.a[0]: "
    "'x @ https://***@index.example/x.whl' holds credentials; give them in netrc or to git, on the machine that "
    "locks and builds",
    "sets: {a: ['x @ https://index.example/x-1.tar.gz?token=abc#sha256=0 ; os_name']}": "images.yaml:3:12: sets.a[0]: "
    "'x @ https://index.example/x-1.tar.gz?***#sha256=0 ; os_name' does not name its package; "
    "write NAME @ ADDRESS, as in PEP 508",
    "sets: {a: ['x @ https://index.example/x-1.tar.gz?token=abc']}": "images.yaml:3:12: sets.a[0]: "
    "'x @ https://index.example/x-1.tar.gz?***' has a query, which locks and images would tell everybody; "
    "name an address without one; if it is a password or a token, give that in netrc or to git, on the machine that "
    "locks and builds",
    "defaults: {build_packages: ['gcc=12']}": "images.yaml:3:29: defaults.build_packages[0]: 'gcc=12' is not the name "
    "of a package of the foundation's system; write the name as its package manager (apt, apk, dnf) knows it, "
    "without a version",
    "defaults: {foundations: [trixy]}": "images.yaml:3:26: defaults.foundations[0]: there is no foundation "
    "'trixy'; did you mean 'trixie'?",
    "defaults: {sets: [basics]}": "images.yaml:3:19: defaults.sets[0]: there is no set 'basics'; "
    "define it under `sets`",
    "defaults: {smoke: x.py}": "images.yaml:3:12: defaults.smoke: there is no key 'smoke' here; "
    "there are 'backends', 'build_packages', 'config', 'cooldown', 'exclude', 'foundation', 'foundations', 'labels', "
    "'no_binary', 'overrides', 'pins', 'python' and 5 more",
    "defaults: {labels: {Team: data}}": "images.yaml:3:21: defaults.labels.Team: 'Team' is not a label's name; "
    "use lowercase letters and digits with single '.', '-', '_' or '/' between them, best in reverse DNS, "
    "e.g. com.example.team",
    "defaults: {labels: {com.example.cost: 42}}": "images.yaml:3:39: defaults.labels[\"com.example.cost\"]: "
    '42 without quotes is the number 42, not text; write "42" in quotes',
    "defaults: {labels: {org.opencontainers.image.created: now}}": "images.yaml:3:21: "
    "defaults.labels[\"org.opencontainers.image.created\"]: the label 'org.opencontainers.image.created' is "
    "not yours to set; choose a name below your own domain",
    "defaults: {labels: {dev.warmbase.recipe: mine}}": 'images.yaml:3:21: defaults.labels["dev.warmbase.recipe"]: '
    "the label 'dev.warmbase.recipe' is not yours to set; choose a name below your own domain",
    "defaults: {<<: {sets: []}}": "images.yaml:3:12: merge keys are not read; use `defaults`, `sets` and "
    "`overrides` instead of YAML's merge keys",
    "uv: 0.13.9": "images.yaml:3:1: the key 'uv' stands twice; the first is in line 1; keep one of the two",
    "registry: !!str example.com\nplatforms: !list [linux/amd64]": "images.yaml:4:12: the tag '!list' has no "
    "meaning in a catalog; delete it",
}  # fmt: skip


@pytest.mark.parametrize(("fragment", "problem"), WRONG_TOPS.items(), ids=WRONG_TOPS)
def test_a_wrong_setting_is_named_with_its_place_and_the_way_out(
    problems: Problems, fragment: str, problem: str
) -> None:
    assert problems(BEFORE + fragment + AFTER) == [problem]


# Each fragment is the only image, in line 3.
WRONG_IMAGES = {
    "Data: {foundation: trixie}": "images.yaml:3:10: images.Data: 'Data' is not a repository name; "
    "use lowercase letters, digits and '.', '_' or '-' between them; '/' separates components",
    "a//b: {foundation: trixie}": "images.yaml:3:10: images[\"a//b\"]: 'a//b' is not a repository name; "
    "use lowercase letters, digits and '.', '_' or '-' between them; '/' separates components",
    "foundations: {foundation: trixie}": "images.yaml:3:10: images.foundations: the name 'foundations' is "
    "reserved for the layers of foundations; choose another name",
    "warmbase-journal: {foundation: trixie}": "images.yaml:3:10: images.warmbase-journal: the name "
    "'warmbase-journal' is reserved for the journal; choose another name",
    "i: {foundation: trixie}, i: {foundation: bookworm}": "images.yaml:3:35: the key 'i' stands twice; "
    "the first is in line 3; keep one of the two",
    "i: {}": "images.yaml:3:10: images.i: the image has no foundation; "
    "write `foundations: [...]` here or in `defaults`",
    "i: {foundation: trixie, foundations: [trixie]}": "images.yaml:3:14: images.i.foundation: `foundations` is "
    "there as well; keep one",
    "i: {foundation: trixie, python: [3.10]}": "images.yaml:3:43: images.i.python[0]: 3.10 without quotes is "
    'the number 3.1, not text; write "3.10" in quotes',
    'i: {foundation: trixie, python: ["3.12"]}': "images.yaml:3:43: images.i.python[0]: no Python 3.12 comes "
    "with 'trixie'; trixie offers 3.13",
    'i: {foundations: [trixie, bookworm], python: ["3.12", "3.13", "3.11"]}': "images.yaml:3:56: "
    "images.i.python[0]: no Python 3.12 comes with 'trixie' or 'bookworm'; "
    "trixie offers 3.13, bookworm offers 3.11",
    'i: {foundations: [trixie, bookworm], python: ["3.13"]}': "images.yaml:3:36: images.i.foundations[1]: "
    "bookworm offers Python 3.11, which `python` does not list; list it, or take the foundation out; "
    "without `python` each foundation's own is built",
    "i: {foundation: trixie, exclude: [{foundation: bookworm}]}": "images.yaml:3:44: images.i.exclude[0]: "
    "this excludes nothing: the image has no such pair; correct it or take it out",
    "i: {foundation: trixie, exclude: [{foundation: trixy}]}": "images.yaml:3:57: "
    "images.i.exclude[0].foundation: there is no foundation 'trixy'; did you mean 'trixie'?",
    'i: {foundation: trixie, exclude: [{python: "3.13"}]}': "images.yaml:3:10: images.i: `exclude` leaves no "
    "variant of the image; exclude less",
    'i: {foundation: trixie, python: ["3.13"], exclude: [{python: "3.13"}]}': "images.yaml:3:10: images.i: "
    "`exclude` leaves no variant of the image; exclude less",
    'i: {foundations: [trixie, bookworm], python: ["3.13", "3.11"], exclude: [{foundation: trixie, python: "3.13"}, '
    '{foundation: bookworm, python: "3.11"}]}': "images.yaml:3:10: images.i: `exclude` leaves no variant of the "
    "image; exclude less",
    "i: {foundation: trixie, overrides: [{sets: []}]}": "images.yaml:3:46: images.i.overrides[0]: the key "
    "'match' is missing; add it: The variants that this is for.",
    "i: {foundation: trixie, overrides: [{match: 3.13}]}": "images.yaml:3:54: images.i.overrides[0].match: "
    "'3.13' stands where a mapping (`key: value`) belongs",
    'i: {foundation: trixie, overrides: [{match: {python: "3.11"}}]}': "images.yaml:3:54: "
    "images.i.overrides[0].match: this matches no variant of the image; its variants are 'py3.13-trixie'",
    "i: {foundation: trixie, smoke: ../x.py}": "images.yaml:3:41: images.i.smoke: '../x.py' leads out of the "
    "catalog's folder; keep what a catalog needs beside it",
    "i: {foundation: trixie, smoke: x.py}": "images.yaml:3:41: images.i.smoke: there is no file 'x.py'; "
    "write it, or correct the path",
    "i: {foundation: trixie, config: {command: python}}": "images.yaml:3:52: images.i.config.command: 'python' "
    "stands where a list belongs; write it in brackets: [python]",
    "i: {foundation: trixie, config: {workdir: app}}": "images.yaml:3:52: images.i.config.workdir: 'app' is "
    "not an absolute path; begin it with '/'",
    "i: {foundation: trixie, winners: {../x: numpy}}": 'images.yaml:3:44: images.i.winners["../x"]: '
    "a path must not leave the venv; take the '..' out",
}  # fmt: skip


@pytest.mark.parametrize(("fragment", "problem"), WRONG_IMAGES.items(), ids=WRONG_IMAGES)
def test_a_wrong_image_is_named_with_its_place_and_the_way_out(problems: Problems, fragment: str, problem: str) -> None:
    assert problems(f"{BEFORE}images: {{{fragment}}}\ndefaults: {{requirements: [attrs]}}") == [problem]


WRONG_FOUNDATIONS = {
    "f: {}": "images.yaml:2:15: foundations.f: one of the keys 'debian', 'image', 'oci' or 'dockerfile' is missing; "
    "say what the foundation is",
    "f: {imgae: python:3.13-slim}": "images.yaml:2:19: foundations.f.imgae: there is no key 'imgae' here; "
    "did you mean 'image'?",
    "f: {debian: trixie, image: python:3.13-slim}": "images.yaml:2:35: foundations.f.image: `debian` is there "
    "as well; keep one: a foundation is of one kind",
    'f: {image: python:3.13-slim, oci: p.tar, python: "3.13"}': "images.yaml:2:44: foundations.f.oci: `image` is "
    "there as well; keep one: a foundation is of one kind",
    "f: {image: python:3.13-slim}": "images.yaml:2:15: foundations.f: which Python versions "
    "'python:3.13-slim' offers is not known; add `python: [\"3.…\"]`",
    'f: {image: Python:3.13, python: "3.13"}': "images.yaml:2:26: foundations.f.image: 'Python:3.13' is not an "
    "image's name; write it as in FROM, e.g. python:{python}-slim",
    "f: {image: 'python:{version}', python: ['3.13']}": "images.yaml:2:26: foundations.f.image: "
    "'python:{version}' is not an image's name; the one field in it is {python}",
    "f: {image: 'me:secret@registry.example/p', python: ['3.13']}": "images.yaml:2:26: foundations.f.image: "
    "'***@registry.example/p' is not an image's name; write it as in FROM, e.g. python:{python}-slim",
    "f: {image: python:3.13, python: ['3.13'], packages: [git]}": "images.yaml:2:57: foundations.f.packages: "
    "`packages` is for Debian foundations; take it out: an image is taken as it is",
    "f: {image: python:3.13, python: 3.13}": "images.yaml:2:47: foundations.f.python: 3.13 without quotes is the "
    'number 3.13, not text; write "3.13" in quotes',
    "f: {image: python:3.13, python: []}": "images.yaml:2:47: foundations.f.python: no Python version is listed; "
    'write at least one, e.g. ["3.13"]',
    "f: {oci: ../images/python, python: ['3.13']}": "images.yaml:2:24: foundations.f.oci: '../images/python' leads "
    "out of the catalog's folder; keep what a catalog needs beside it, or write an absolute path without '..'",
    "f: {debian: sid, python: ['3.13', '3.14']}": "images.yaml:2:40: foundations.f.python: a Debian suite offers "
    "one Python; keep the version of its python3",
    "f: {debian: bookwurm}": "images.yaml:2:27: foundations.f.debian: the Python of the suite 'bookwurm' is not "
    "known; did you mean 'bookworm'?",
    "f: {debian: sid}": "images.yaml:2:27: foundations.f.debian: the Python of the suite 'sid' is not known; "
    'add `python: "3.…"`, the version of its python3',
    'f: {debian: trixie, python: "3.12"}': "images.yaml:2:43: foundations.f.python: Debian trixie offers "
    "Python 3.13, not 3.12; delete the key: the version follows from the suite; or write managed, which brings any",
    "f: {debian: --help}": "images.yaml:2:27: foundations.f.debian: '--help' is not a Debian suite; "
    "write a release's code name, e.g. trixie",
    "f: {debian: trixie, packages: [python3=3.13]}": "images.yaml:2:46: foundations.f.packages[0]: "
    "'python3=3.13' is not a Debian package's name; write the name as apt knows it, without a version",
    "f: {debian: trixie, mirror: 'https://me:secret@mirror.example/debian'}": "images.yaml:2:43: "
    "foundations.f.mirror: an address with a user or a password would end up in images; take them out",
    "f: {debian: trixie, snapshot: 'https:///debian'}": "images.yaml:2:45: foundations.f.snapshot: "
    "'https:///debian' names no host; write https://host/path",
    "f-20261121: {debian: trixie}": "images.yaml:2:15: foundations.f-20261121: 'f-20261121' ends like a dated "
    "or a content tag; choose another name, or tags could not be told apart",
    "f-0123456789ab: {debian: trixie}": "images.yaml:2:15: foundations.f-0123456789ab: 'f-0123456789ab' ends "
    "like a dated or a content tag; choose another name, or tags could not be told apart",
}  # fmt: skip


@pytest.mark.parametrize(("fragment", "problem"), WRONG_FOUNDATIONS.items(), ids=WRONG_FOUNDATIONS)
def test_a_wrong_foundation_is_named_with_its_place_and_the_way_out(
    problems: Problems, fragment: str, problem: str
) -> None:
    name = fragment.partition(":")[0]
    text = f"uv: 0.13.8\nfoundations: {{{fragment}}}\nimages: {{i: {{foundation: {name}, requirements: [attrs]}}}}"
    assert problems(text) == [problem]


@pytest.mark.parametrize("version", [">=0.13", "0.13", "latest", "0.13.8 "])
def test_uv_is_pinned_to_one_version(problems: Problems, version: str) -> None:
    assert problems(f'uv: "{version}"\n{FOUNDATIONS}{AFTER}') == [
        f"images.yaml:1:5: uv: '{version}' is not an exact uv version; "
        "write one version without an operator, e.g. 0.13.8"
    ]


def test_missing_keys_are_named_with_what_they_are_for(problems: Problems) -> None:
    assert problems("registry: example.com") == [
        "images.yaml:1:1: the key 'uv' is missing; add it: The uv that makes the cache and is shipped in every image.",
        "images.yaml:1:1: the key 'foundations' is missing; add it: What variants stand on.",
        "images.yaml:1:1: the key 'images' is missing; add it: The images, by repository name.",
    ]


def test_everything_is_reported_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    """Damaged YAML, a wrong shape and a wrong meaning, even in entries of one list."""
    text = """
    uv: 0.13
    foundations:
      trixie: {debian: trixie, suite: trixie}
    sets:
      basics: [requests, 3.10, "-r x", requests==]
      basics: [attrs]
      more: {include: [basic]}
    images:
      core:
        foundation: trixie
        python: [3.13, "3.12"]
        sets: [basics, mor]
        entrypoint: [python]
      web:
        foundation: trixi
        requirements: [attrs]
    """
    assert [
        line.split(": ")[0].removeprefix("images.yaml:") + " " + line.split(": ")[1] for line in problems(text)
    ] == [
        "1:5 uv",
        "3:28 foundations.trixie.suite",
        "5:22 sets.basics[1]",
        "5:28 sets.basics[2]",
        "5:36 sets.basics[3]",
        "6:3 the key 'basics' stands twice; the first is in line 5; keep one of the two",
        "7:20 sets.more.include[0]",
        "11:14 images.core.python[0]",
        "11:20 images.core.python[1]",
        "12:20 images.core.sets[1]",
        "13:5 images.core.entrypoint",
        "15:17 images.web.foundation",
    ]


def test_a_broken_foundation_is_reported_once_and_not_where_it_is_used(problems: Problems) -> None:
    assert problems(
        "uv: 0.13.8\nfoundations: {f: {}}\nimages: {i: {foundation: f, python: ['3.13'], requirements: [a]}}"
    ) == [
        "images.yaml:2:15: foundations.f: one of the keys 'debian', 'image', 'oci' or 'dockerfile' is missing; say "
        "what the foundation is"
    ]


def test_a_smoke_script_may_not_be_a_link_out_of_the_folder(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "smoke.py").symlink_to("/etc/hostname")
    [problem] = problems(BEFORE + "images: {i: {foundation: trixie, smoke: smoke.py, requirements: [a]}}")
    assert "leads out of the catalog's folder" in problem


def test_a_cross_product_has_a_limit(problems: Problems) -> None:
    names = [f"f{number}" for number in range(1000)]
    entries = "{" + ", ".join(f"{name}: {{debian: trixie}}" for name in names) + "}"
    text = f"uv: 0.13.8\nfoundations: {entries}\ndefaults: {{foundations: [{', '.join(names)}], warm: [attrs]}}\n"
    assert problems(text + "images: {a: {}, b: {}, c: {}}") == [
        "images.yaml:4:1: images: the catalog makes more than 2,000 variants; split it"
    ]


def test_a_message_stays_on_one_short_line(problems: Problems) -> None:
    [problem] = problems(BEFORE + f'registry: "{"x" * 5000}\\n\\e[31m"' + AFTER)
    assert len(problem) < 300
    assert problem.isprintable()


EMPTY_IMAGES = [
    "{foundation: trixie}",
    "{foundation: trixie, requirements: [], backends: [setuptools]}",
    "{foundation: trixie, sets: [nothing, nothing-more]}",
]


@pytest.mark.parametrize("image", EMPTY_IMAGES)
def test_an_image_without_packages_is_a_mistake(problems: Problems, image: str) -> None:
    sets = "\nsets: {nothing: [], nothing-more: {include: [nothing]}}"
    assert problems(f"{BEFORE}images: {{i: {image}}}{sets}") == [
        "images.yaml:3:10: images.i: the image has no packages; "
        "name some under `requirements` or `sets`, here or in `defaults`"
    ]


@pytest.mark.parametrize(
    "image",
    [
        "{foundation: trixie, requirements: ['a b']}",
        "{foundation: trixie, requirements: [1]}",
        "{foundation: trixie, sets: [unknown]}",
        "{foundation: trixie, sets: [broken]}",
    ],
)
def test_packages_that_are_written_wrong_are_not_called_missing(problems: Problems, image: str) -> None:
    found = problems(f"{BEFORE}images: {{i: {image}}}\nsets: {{broken: ['b c']}}")
    assert found
    assert not [problem for problem in found if "no packages" in problem]


def test_a_wrong_name_of_an_image_does_not_hide_what_else_is_wrong_with_it(problems: Problems) -> None:
    image = "{foundation: trixy, requirements: [attrs, 'x y'], sets: [1, unknown]}"
    found = problems(f"{BEFORE}images: {{Data: {image}, core: {{foundation: trixie, requirements: [attrs]}}}}")
    assert [problem.split(": ")[1] for problem in found] == [
        "images.Data",
        "images.Data.foundation",
        "images.Data.requirements[1]",
        "images.Data.sets[0]",
        "images.Data.sets[1]",
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"registry: https://user:hunter2@registry.example/x{AFTER}",
        f"registry: user:hunter2@registry.example/x{AFTER}",
        f"uv: https://user:hunter2@{'x' * 80}{AFTER}",
        f"sets: {{a: ['numpy @ https://user:hunter2@files.example/numpy.whl']}}{AFTER}",
        f"sets: {{a: ['git+https://user:hunter2@{'x' * 80}']}}{AFTER}",
        f"https://user:hunter2@registry.example/x: 1{AFTER}",
        "images: {'https://user:hunter2@registry.example/x': {foundation: trixie, python: ['3.12']}}",
        "images: [https://user:hunter2@registry.example/x]",
        "https://user:hunter2@registry.example/x",
    ],
)
def test_no_problem_tells_a_password(problems: Problems, text: str) -> None:
    before = "" if text.startswith("uv:") or text.endswith("x") else BEFORE
    found = problems(f"{before}{text}")
    assert found
    assert "hunter2" not in "".join(found)
