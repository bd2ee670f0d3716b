"""Import what distributions bring, and look at their console scripts.

    python probe.py BIN NAME…

One JSON object per line: `{"name": …, "doing": …}` before a distribution is imported, so that one that kills the
interpreter is known, then its `modules`, `scripts`, `kind`, `problems`, `extras` and `seconds`. What a distribution
brings is read from its RECORD, not guessed from its name: the packages and modules at the top of site-packages, the
public ones if it has any. Scripts: the entry point loads, and BIN has an executable of its name. Where a part of a
distribution asks for a package that is not installed while another part works, that part belongs to an extra that
nobody asked for: it is listed under `extras` and is no problem. A script may also say so by exiting.
"""

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import sys
import sysconfig
import time
import traceback

ENDINGS = tuple(sorted([".py", *importlib.machinery.EXTENSION_SUFFIXES], key=len, reverse=True))


def top_modules(distribution: importlib.metadata.Distribution) -> "tuple[list[str], bool]":
    """(modules, whether there is anything but stubs)"""
    found, stubs = set(), False
    for file in distribution.files or ():
        parts = file.parts
        if parts[0] in ("..", "__pycache__") or parts[0].endswith((".dist-info", ".data", ".libs", ".pth")):
            continue
        if parts[-1].endswith(".pyi"):
            stubs = True
        ending = next((e for e in ENDINGS if parts[-1].endswith(e)), None)
        if ending:
            found.add(parts[0] if len(parts) > 1 else parts[0][: -len(ending)])
    found = {name for name in found if name.isidentifier()}
    return sorted(n for n in found if not n.startswith("_")) or sorted(found), stubs


def last_line(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def lacks_package(error: BaseException) -> bool:
    """Whether an import failed because some distribution is not installed, and not because of a file of its own."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return False
    return importlib.util.find_spec(error.name.partition(".")[0]) is None


def import_all(modules: "list[str]") -> "tuple[list[str], list[str]]":
    """(problems, extras that are not installed)"""
    problems: "list[str]" = []
    extras: "list[str]" = []
    for module in modules:
        try:
            importlib.import_module(module)
        except BaseException as error:
            said = "import %s: %s" % (module, last_line(error))
            (extras if lacks_package(error) else problems).append(said)
    return (problems, extras) if len(extras) < len(modules) else (problems + extras, [])


def check_scripts(
    entries: "list[importlib.metadata.EntryPoint]", folder: str
) -> "tuple[list[str], list[str], list[str]]":
    """(scripts that load, problems, extras that are not installed)"""
    scripts: "list[str]" = []
    problems: "list[str]" = []
    extras: "list[str]" = []
    for entry in entries:
        if not os.access(os.path.join(folder, entry.name), os.X_OK):
            problems.append("the script %s is not an executable in %s" % (entry.name, folder))
        try:
            entry.load()
            scripts.append(entry.name)
        except BaseException as error:
            said = "the script %s: %s" % (entry.name, last_line(error))
            (extras if lacks_package(error) or isinstance(error, SystemExit) else problems).append(said)
    return scripts, problems, extras


def main() -> None:
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever an import prints is no part of the report
    folder = sys.argv[1]
    for name in sys.argv[2:]:
        print(json.dumps({"name": name, "doing": True}), file=report, flush=True)
        started = time.monotonic()
        scripts: "list[str]" = []
        modules: "list[str]" = []
        extras: "list[str]" = []
        kind = ""
        try:
            distribution = importlib.metadata.distribution(name)
            modules, stubs = top_modules(distribution)
            entries = [e for e in distribution.entry_points if e.group in ("console_scripts", "gui_scripts")]
            kind = "" if modules else "stubs only" if stubs else "scripts only" if entries else "no modules"
            problems, extras = import_all(modules)
            scripts, dead, undemanded = check_scripts(entries, folder)
            problems, extras = problems + dead, extras + undemanded
        except importlib.metadata.PackageNotFoundError:
            problems = ["it is not installed in %s" % sysconfig.get_path("purelib")]
        seconds = round(time.monotonic() - started, 3)
        line = {
            "name": name,
            "modules": modules,
            "scripts": scripts,
            "kind": kind,
            "problems": problems,
            "extras": extras,
            "seconds": seconds,
        }
        print(json.dumps(line), file=report, flush=True)
    report.flush()
    os._exit(0)  # what was imported may have threads and exit handlers that are none of this program's concern


main()
