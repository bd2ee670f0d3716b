"""Where locks and pins lie beside the catalog, and reading and writing them.

    bases/<image>/<tag>.txt  bases/<image>/<tag>.json  bases/foundations/<foundation>.json

A catalog whose `locks` is set has them there, and not in `bases/`: so new ones are made without touching the committed.
A file is replaced as a whole, and only when its text changes.
"""

from collections.abc import Mapping
from pathlib import Path

from warmbase.catalog.model import Catalog, CatalogFoundation, Variant
from warmbase.effects.files import replace_file
from warmbase.errors import FoundationError, LockError
from warmbase.foundation.pins import FoundationPin, PinKey, pins_from_json, pins_to_json
from warmbase.lock.index import fits_sources
from warmbase.lock.model import Lock, lock_from_json, lock_to_json, parse_requirements, requirements_text
from warmbase.lock.parents import lock_inputs


def locks_folder(catalog: Catalog) -> Path:
    """The folder that holds the locks and pins of a catalog."""
    return catalog.locks or catalog.folder / "bases"


def lock_paths(catalog: Catalog, variant: Variant) -> tuple[Path, Path]:
    """The requirements file and the JSON file of a variant's lock."""
    folder = locks_folder(catalog) / variant.image
    return folder / f"{variant.tag}.txt", folder / f"{variant.tag}.json"


def pin_path(catalog: Catalog, foundation: CatalogFoundation) -> Path:
    """The file that holds a foundation's pins."""
    return locks_folder(catalog) / "foundations" / f"{foundation.name}.json"


def read_lock(catalog: Catalog, variant: Variant) -> Lock | None:
    """Read a variant's lock; None where there is none. Raises LockError for one that is damaged or edited by hand."""
    text_path, json_path = lock_paths(catalog, variant)
    text, document = (_read_text(path, variant) for path in (text_path, json_path))
    if text is None and document is None:
        return None
    if document is None:
        raise LockError(f"{json_path} is missing", next_step=_without_versions(json_path, variant))
    lock = _parse_lock(document, json_path, variant)
    same = (
        f"run `warmbase lock {variant.name}`, which writes both files anew and keeps the versions of {json_path.name}"
    )
    if text is None:
        raise LockError(f"{text_path} is missing", next_step=same)
    if text != requirements_text(lock):
        raise LockError(
            f"{text_path} and {json_path.name} do not say the same{_first_difference(lock, text)}", next_step=same
        )
    return lock


def read_previous(catalog: Catalog, variant: Variant) -> Lock | None:
    """What a lock was before, whose versions a new one keeps: the JSON file alone says it, whatever became of the other
    when a lock was interrupted. None where it is missing or damaged."""
    json_path = lock_paths(catalog, variant)[1]
    try:
        document = _read_text(json_path, variant)
        return None if document is None else _parse_lock(document, json_path, variant)
    except LockError:
        return None


def lock_fits(catalog: Catalog, variant: Variant, lock: Lock) -> bool:
    """Whether the lock was made from what the catalog asks for now, and what a child's parent has."""
    parent = read_parent(catalog, variant)
    if variant.made_from and parent is None:
        return False
    return lock.inputs == lock_inputs(variant, catalog.uv, parent) and fits_sources(variant, lock)


def read_parent(catalog: Catalog, variant: Variant) -> Lock | None:
    """The lock of what a variant is made from; None where it is from none, or that has no lock that can be read."""
    return read_previous(catalog, variant.made_from) if variant.made_from else None


def write_lock(catalog: Catalog, variant: Variant, lock: Lock) -> bool:
    """Write a variant's lock. Returns whether anything changed. Raises LockError.

    The JSON file comes first: after an interruption its versions are the ones that count (`read_previous`).
    """
    text_path, json_path = lock_paths(catalog, variant)
    changed = write_if_changed(json_path, lock_to_json(lock))
    return write_if_changed(text_path, requirements_text(lock)) or changed


def read_pins(catalog: Catalog, foundation: CatalogFoundation) -> Mapping[PinKey, FoundationPin]:
    """Read a foundation's pins by platform and Python version; empty where there are none. Raises FoundationError."""
    path = pin_path(catalog, foundation)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as error:
        remedy = f"remove {path}, and run `warmbase lock`"
        raise FoundationError(f"{path} cannot be read: {_reason(error)}", next_step=remedy) from None
    pins = pins_from_json(text, source=str(path))
    own = next(iter(foundation.pythons), "")  # of a Debian system, whose pin does not name its one Python
    return {(platform, python or own): pin for (platform, python), pin in pins.items()}


def write_pins(catalog: Catalog, foundation: CatalogFoundation, pins: Mapping[PinKey, FoundationPin]) -> bool:
    """Write a foundation's pins. Returns whether anything changed."""
    return write_if_changed(pin_path(catalog, foundation), pins_to_json(pins))


def write_if_changed(path: Path, text: str) -> bool:
    """Replace the file at `path` with `text`, at once and whole, unless that is what it holds. Raises LockError."""
    try:
        if path.is_file() and path.read_bytes() == text.encode():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), durable=True)
    except OSError as error:
        remedy = "see that its folder can be written, and that nothing else has its name"
        raise LockError(f"{path} cannot be written: {_reason(error)}", next_step=remedy) from None
    return True


def _read_text(path: Path, variant: Variant) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeError as error:
        remedy = f"run `warmbase lock {variant.name}`, which writes it anew"
        raise LockError(f"{path} is not a lock: {_reason(error)}", next_step=remedy) from None
    except OSError as error:
        remedy = f"move away what is there, and run `warmbase lock {variant.name}`"
        raise LockError(f"{path} cannot be read: {_reason(error)}", next_step=remedy) from None


def _parse_lock(document: str, path: Path, variant: Variant) -> Lock:
    try:
        return lock_from_json(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LockError(f"{path} is not a lock: {error}", next_step=_without_versions(path, variant)) from None


def _without_versions(path: Path, variant: Variant) -> str:
    return f"restore {path.name}, or run `warmbase lock {variant.name}`, which makes it anew: versions may move then"


def _reason(error: OSError | UnicodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else f"it is not UTF-8 ({error})"


def _first_difference(lock: Lock, text: str) -> str:
    try:
        written, meant = parse_requirements(text), parse_requirements(requirements_text(lock))
    except ValueError:
        return ""
    names = sorted(name for name in written.keys() | meant.keys() if written.get(name) != meant.get(name))
    return f" about {names[0]}" if names else ""
