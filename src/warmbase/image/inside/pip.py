#!/opt/venv/bin/python -IS
"""The images' `pip`: uv does what pip is asked, so that `RUN pip install -r requirements.txt` works as it stands.

A pip of the foundation would install where nobody looks, and one in the venv costs 7.5 MB and goes with the first exact
sync. This program lies behind the venv on the PATH as `pip` and `pip3`; a pip that somebody installs into the venv is
the one that runs, and what a foundation has under another name, such as `pip3.13`, stays.

As with pip, the environment is that of the first python on the PATH. Options that mean nothing to uv are left out;
pip's own variables and files (pip documentation, "Configuration") become uv's, which come first where they are set, or
one line says that they do not count. Of other options uv says itself that it does not know them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

UV = os.path.join(os.path.dirname(os.path.abspath(__file__)), "uv")

# uv asks nothing, takes wheels where there are any, builds as PEP 517 says, does not look for a newer pip, and upgrades
# no more than it has to. For --user, the environment is everybody's.
FLAGS = [
    "check-build-dependencies", "debug", "disable-pip-version-check", "ignore-requires-python", "no-clean", "no-input",
    "no-python-version-warning", "no-warn-conflicts", "no-warn-script-location", "prefer-binary", "require-virtualenv",
    "use-pep517", "user", "yes"
]  # fmt: skip
VALUES = [
    "exists-action", "log", "progress-bar", "resume-retries", "root-user-action", "src", "upgrade-strategy",
    "use-deprecated", "use-feature"
]  # fmt: skip
RENAMED = {
    "-I": "--reinstall",
    "--ignore-installed": "--reinstall",
    "-i": "--default-index",  # to uv, an --index-url is less than its variable
    "--index-url": "--default-index",
}
VARIABLES = {
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "constraint": ("UV_CONSTRAINT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
    "extra-index-url": ("UV_INDEX",),
    "find-links": ("UV_FIND_LINKS",),
    "index-url": ("UV_DEFAULT_INDEX",),
    "keyring-provider": ("UV_KEYRING_PROVIDER",),
    "no-cache-dir": ("UV_NO_CACHE",),
    "pre": ("UV_PRERELEASE",),
    "proxy": ("HTTPS_PROXY", "HTTP_PROXY"),
    "retries": ("UV_HTTP_RETRIES",),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "trusted-host": ("UV_INSECURE_HOST",),
}
# Options that uv has no variable for, and those that it knows only as variables.
ARGUMENTS = [
    "no-binary", "no-build-isolation", "no-deps", "no-index", "only-binary", "prefix", "require-hashes", "target",
    "upgrade"
]  # fmt: skip
ONLY_VARIABLES = ["client-cert", "default-timeout", "proxy", "retries", "timeout"]
SWITCHES = ["no-build-isolation", "no-deps", "no-index", "require-hashes", "upgrade"]
OURS = ["break-system-packages", "cache-dir", "config-file", "no-color", "quiet", "verbose"]  # and of no consequence
COMMANDS = ["check", "compile", "freeze", "install", "list", "show", "sync", "tree", "uninstall"]
PLACES = ("-p", "-t", "--python", "--target", "--prefix", "--system")


def main(words: list[str], environment: dict[str, str]) -> list[str] | str:
    """The words for uv; `environment` gets its variables. A text is what to say instead."""
    command, python = "", ""
    options: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        option, _, value = word.partition("=")
        name = option[2:] if option.startswith("--") else ""
        if name in VALUES or name in ONLY_VARIABLES or (name == "python" and not command):
            value = value if "=" in word else left.pop(0) if left else ""
            python = value if name == "python" else python
            for variable in VARIABLES.get(name, ()) if value else ():
                environment[variable] = value
        elif not command and not word.startswith("-"):
            command = word
        elif name not in FLAGS and word != "-y":
            options.append(RENAMED.get(option, option) + word[len(option) :])
    if any(word in ("-V", "--version") for word in options) and not command:
        return version()
    if command == "help":
        return ["pip", "--help"]
    if command and command not in COMMANDS:
        return f"pip: this is uv, which has no `pip {command}`; where you need it: uv pip install pip"
    options = configure(command, environment) + options
    if command in COMMANDS and not any(word.partition("=")[0] in PLACES for word in options):
        if not python and not environment.get("VIRTUAL_ENV"):
            python = shutil.which("python", path=environment.get("PATH")) or ""
        options = ([f"--python={python}"] if python else []) + options
    return ["pip", *filter(None, [command]), *options]


def configure(command: str, environment: dict[str, str]) -> list[str]:
    """Take over pip's variables and files; the options for what uv has no variable for."""
    options: list[str] = []
    unknown: list[str] = []
    for (place, name), value in settings(command, environment).items():
        text = " ".join(value.split())
        off = text.lower() in ("", "0", "false", "no", "off")
        if name in VARIABLES and not (off and name in ("pre", "no-cache-dir")):
            text = {"pre": "allow", "no-cache-dir": "1", "find-links": text.replace(" ", ",")}.get(name, text)
            for variable in VARIABLES[name] if text else ():
                environment.setdefault(variable, text)
        elif name in ARGUMENTS:
            if command == "install" and not off:
                options.append(f"--{name}" if name in SWITCHES else f"--{name}={text}")
        elif name not in (*VARIABLES, *FLAGS, *VALUES, *OURS) and not off:
            unknown.append(place)
    if unknown:
        print(f"pip: this is uv, for which these settings do not count: {', '.join(unknown)}", file=sys.stderr)
    return options


def settings(command: str, environment: dict[str, str]) -> dict[tuple[str, str], str]:
    """What pip is told by its files, the more particular last, and by its variables: (where, option) -> value."""
    home, own = environment.get("HOME", "/"), environment.get("PIP_CONFIG_FILE", "")
    user = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
    files = ["/etc/xdg/pip/pip.conf", "/etc/pip.conf", f"{home}/.pip/pip.conf", f"{user}/pip/pip.conf",
             f"{os.path.dirname(os.path.dirname(sys.executable))}/pip.conf", own]  # fmt: skip
    found: dict[str, tuple[str, str]] = {}
    present = [path for path in files if own != os.devnull and os.path.isfile(path)]
    if present:
        import configparser  # takes longer than all the rest

        parser = configparser.RawConfigParser()
        try:
            parser.read(present)
        except (configparser.Error, ValueError) as error:
            print(f"pip: {error}", file=sys.stderr)
        for section in [section for section in ("global", command) if parser.has_section(section)]:
            found.update({option.replace("_", "-"): (option, value) for option, value in parser.items(section)})
    for variable, value in environment.items():
        if variable.startswith("PIP_"):
            found[variable[4:].lower().replace("_", "-")] = (variable, value)
    return {(place, name): value for name, (place, value) in found.items()}


def version() -> str:
    """A line of pip's shape."""
    number = subprocess.run([UV, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    return f"pip {number} from {UV} (python {sys.version_info[0]}.{sys.version_info[1]})"


if __name__ == "__main__":
    variables = dict(os.environ)
    done = main(sys.argv[1:], variables)
    if isinstance(done, str):
        print(done, file=sys.stdout if done.startswith("pip ") else sys.stderr)
        sys.exit(0 if done.startswith("pip ") else 2)
    os.execve(UV, [UV, *done], variables)  # noqa: S606 - that is what it is for
