"""Look at a container from within, as the user that runs this, and print what uv would find: one JSON object.

    python -I probe.py '{"venv": "/opt/venv", "cache": "/opt/uv/cache", "identity": "/opt/warmbase/base.json"}'

With "root" the paths are below a folder: an image's files, unpacked. Nothing is judged here, and nothing is changed.
Variables that hold credentials are left out, and so is what stands before a host's name in addresses.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import sys
from typing import Any, Mapping

FAMILIES = ("UV_", "PIP_")
NAMES = ("PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "HOME", "XDG_CACHE_HOME", "PYTHONPATH")
SECRETS = re.compile("PASSWORD|TOKEN|SECRET|USERNAME|CREDENTIAL|API_KEY")
LOGIN = re.compile(r"://[^/\s@]+@")
POINTERS = (".http", ".rev")
CONFIGURATION = ("/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml", "~/.config/uv/uv.toml")


def survey(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that is found; `wanted` are the places that the image promises."""
    root, environ = wanted.get("root", ""), wanted.get("environment") or os.environ
    home = environ.get("HOME", "")
    cache = environ.get("UV_CACHE_DIR") or (environ.get("XDG_CACHE_HOME") or home + "/.cache") + "/uv"
    project = os.getcwd()
    places = [environ.get("UV_PROJECT_ENVIRONMENT") or ".venv", environ.get("VIRTUAL_ENV") or ""]
    venvs = [wanted["venv"]] + [os.path.normpath(os.path.join(project, place)) for place in places if place]
    return {
        "identity": read_json(root + wanted["identity"]),
        "environment": {name: LOGIN.sub("://", value) for name, value in environ.items() if is_told(name)},
        "user": "%d:%d" % (os.geteuid(), os.getegid()) if hasattr(os, "geteuid") else "",
        "project": project,
        "mounts": [] if root else mounts(),
        "programs": programs(root, environ.get("PATH", os.defpath)),
        "venvs": {venv: look_at_venv(root, venv) for venv in dict.fromkeys(venvs)},
        "caches": {one: look_at_cache(root, one) for one in dict.fromkeys([wanted["cache"], cache])},
        "cache": cache,
        "libc": "" if root else libc(),
        "configuration": configuration(root, home, environ.get("UV_CONFIG_FILE", "")),
    }


def is_told(name: str) -> bool:
    """Whether a variable says something to uv, and no secret."""
    return (name in NAMES or name.startswith(FAMILIES)) and SECRETS.search(name) is None


def read_json(path: str) -> object:
    """The object in a file, None where there is none."""
    text = read(path)
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def read(path: str) -> str:
    """A file's text, "" where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def mounts() -> list[dict[str, str]]:
    """What is mounted where: proc(5), /proc/pid/mountinfo."""
    found = []
    for line in read("/proc/self/mountinfo").splitlines():
        fields, _, more = line.partition(" - ")
        root, target = (re.sub(r"\\(\d{3})", lambda one: chr(int(one[1], 8)), word) for word in fields.split()[3:5])
        found.append({"target": target, "type": more.split()[0], "root": root})
    return found


def programs(root: str, path: str) -> list[dict[str, str]]:
    """Each uv on the PATH, in order, with its version; those of an image's files are not run, so theirs is ""."""
    found = []
    for folder in path.split(os.pathsep):
        program = folder + "/uv"
        if os.path.lexists(root + program) if root else os.access(program, os.X_OK) and os.path.isfile(program):
            found.append({"path": program, "version": "" if root else version_of(program)})
    return found


def version_of(program: str) -> str:
    """What a uv says that it is."""
    try:
        said = subprocess.run([program, "--version"], check=False, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    words = said.stdout.decode(errors="replace").split()
    return words[1] if len(words) > 1 else ""


def libc() -> str:
    """The C library with its version, "glibc 2.41"; "musl" for another, "" where that is not known."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return "musl" if any(name.startswith("ld-musl") for name in list_folder("/lib")) else ""


def look_at(root: str, path: str) -> dict[str, Any]:
    """A folder, or a file, as this user finds it."""
    try:
        found = os.stat(root + path)
    except OSError:
        return {"path": path, "is_there": os.path.lexists(root + path), "is_writable": False}
    return {
        "path": path,
        "is_there": True,
        "is_writable": os.access(root + path, os.W_OK | (os.X_OK if stat.S_ISDIR(found.st_mode) else 0)),
        "mode": oct(stat.S_IMODE(found.st_mode))[2:],
    }


def look_at_venv(root: str, venv: str) -> dict[str, Any]:
    """A venv's Python, the folders that an installation writes into, and what is installed, with where it came from."""
    folders = [look_at(root, venv)]
    installed: list[dict[str, str] | None] = []
    lib = os.path.join(venv, "lib")
    for python in list_folder(root + lib):
        packages = os.path.join(lib, python, "site-packages")
        if not python.startswith("python") or not os.path.isdir(root + packages):
            continue
        folders.append(look_at(root, packages))
        found = (name for name in list_folder(root + packages) if name.endswith(".dist-info"))
        installed += [look_at_package(os.path.join(root + packages, name)) for name in found]
    return {
        "configuration": read(root + venv + "/pyvenv.cfg"),
        "folders": folders,
        "installed": [package for package in installed if package],
    }


def look_at_package(folder: str) -> dict[str, str] | None:
    """An installed package by its metadata; None for remains of one."""
    head = read(folder + "/METADATA").partition("\n\n")[0]
    name = re.search("^Name: *(.+)$", head, re.MULTILINE)
    version = re.search("^Version: *(.+)$", head, re.MULTILINE)
    origin = read_json(folder + "/direct_url.json")
    if not (name and version):
        return None
    address = LOGIN.sub("://", str(origin.get("url", "")) or "?") if isinstance(origin, dict) else ""
    return {"name": name[1].strip(), "version": version[1].strip(), "origin": address}


def look_at_cache(root: str, cache: str) -> dict[str, Any]:
    """A cache's buckets, the pointers in them, and whether what each points to can be read."""
    folders = [look_at(root, cache)]
    buckets = [name for name in list_folder(root + cache) if re.search(r"-v\d+$", name)]
    folders += [look_at(root, cache + "/" + name) for name in buckets]
    locks = [cache + "/.lock"] + [cache + "/" + name + "/.git" for name in buckets]  # uv opens them for writing
    folders += [look_at(root, path) for path in locks if os.path.exists(root + path)]
    pointers: list[list[str]] = []
    for bucket in buckets:
        for folder, _, files in os.walk(os.path.join(root + cache, bucket)):
            if bucket.startswith("archive-"):
                break
            found = (os.path.join(folder, name) for name in sorted(files) if name.endswith(POINTERS))
            pointers += [look_at_pointer(root + cache, path) for path in found]
    archives = [os.path.join(root + cache, name) for name in buckets if name.startswith("archive-")]
    readable = [
        name
        for folder in archives
        for name in list_folder(folder)
        if os.access(os.path.join(folder, name), os.R_OK | os.X_OK)
    ]
    return {"buckets": buckets, "folders": folders, "pointers": pointers, "archives": readable}


def look_at_pointer(cache: str, path: str) -> list[str]:
    """A pointer's place in the cache and its bytes, in base 64."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        content = b""
    return [os.path.relpath(path, cache).replace(os.sep, "/"), base64.b64encode(content).decode()]


def list_folder(path: str) -> list[str]:
    """The names in a folder, none where it cannot be read."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def configuration(root: str, home: str, named: str) -> dict[str, str]:
    """The texts of uv's configuration beyond the project's; where one is named, uv reads no other."""
    found = {}
    for path in (named,) if named else CONFIGURATION:
        place = path.replace("~", home)
        text = read(root + place)
        if text:
            found[place] = LOGIN.sub("://", text)
    return found


if __name__ == "__main__":
    json.dump(survey(json.loads(sys.argv[1])), sys.stdout)
