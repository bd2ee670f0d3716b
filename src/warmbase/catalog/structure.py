"""What does not fit the schema, in sentences.

jsonschema finds it; this module says it the way people need to hear it: the nearest known key, the quotes
that a version lacks, the brackets around a list. What is broken is then cut out, so that the rest can be
checked for meaning in the same run.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from warmbase.catalog.problems import DocumentPath, Report, list_words, quote, show, suggest_nearest
from warmbase.catalog.schema import Schema, generate_schema
from warmbase.catalog.source import PlainData, Scalar, Source
from warmbase.errors import mask_userinfo

if TYPE_CHECKING:
    from jsonschema import ValidationError

_STAND_IN = "image-with-a-wrong-name-"
_KINDS = {
    "object": "a mapping (`key: value`)",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One place where data does not fit the schema: the keyword that failed there and what it asks for."""

    keyword: str
    path: DocumentPath
    value: Any
    wanted: Any
    schema: Schema
    of_key: bool  # the value is a key of the mapping at `path`
    message: str
    causes: "tuple[Violation, ...]"  # why each option of an `anyOf` failed


def find_violations(schema: Schema, data: PlainData) -> tuple[Violation, ...]:
    """Ask jsonschema where `data` does not fit.

    A `pattern` must match the whole text, as in ECMA 262; jsonschema's own lets a line break follow.
    """
    import jsonschema

    def pattern(_: object, expression: str, text: object, __: Schema) -> Iterator[jsonschema.ValidationError]:
        if isinstance(text, str) and not re.fullmatch(expression, text):
            yield jsonschema.ValidationError(f"{text!r} does not match {expression!r}")

    extend: Any = jsonschema.validators.extend  # has no types
    validator = extend(jsonschema.Draft202012Validator, {"pattern": pattern})(schema)
    return tuple(_violation(error) for error in validator.iter_errors(data))


def _violation(error: "ValidationError") -> Violation:
    return Violation(
        keyword=str(error.validator),
        path=tuple(error.absolute_path),
        value=error.instance,
        wanted=error.validator_value,
        schema=cast(Schema, error.schema),
        of_key="propertyNames" in error.absolute_schema_path,
        message=error.message,
        causes=tuple(_violation(cause) for cause in error.context or ()),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Remainder:
    """What is left of a document without its broken parts.

    `indexes` has, for each list that lost entries, where the others stood; `names` the images whose names cannot be
    used: the stand-in for the name → the name; `broken` the paths cut out.
    """

    data: PlainData
    indexes: Mapping[DocumentPath, tuple[int, ...]]
    names: Mapping[str, str]
    broken: frozenset[DocumentPath]

    def original(self, path: DocumentPath) -> DocumentPath:
        """Return the path in the whole document of what is at `path` in the remainder."""
        found: DocumentPath = ()
        for part in path:
            kept = self.indexes.get(found)
            if isinstance(part, int):
                found = (*found, part if kept is None else kept[part])
            else:
                found = (*found, self.names.get(part, part) if found == ("images",) else part)
        return found


def salvage(source: Source, needed: Mapping[str, PlainData], report: Report) -> Remainder | None:
    """Report everything that does not fit the schema, and return what does.

    `needed` has stand-ins for the top's required keys. None means that nothing fits.
    """
    schema = generate_schema()
    explainer = _Explainer(source, report)
    explained = [(it, tuple(explainer.explain(it))) for it in find_violations(schema, source.data)]
    misnamed = [str(it.value) for it, _ in explained if _misnames_image(it)]
    broken = {path for it, paths in explained if not _misnames_image(it) for path in paths}
    while () not in broken:
        remainder = _remove(source.data, needed, broken, misnamed)
        # What does not fit now lacks what was cut out. It goes too, but is no news.
        silent = _Explainer(source, Report(lambda path, key: source.position(path, key=key)))
        followers = {
            remainder.original(path) for it in find_violations(schema, remainder.data) for path in silent.explain(it)
        }
        if not followers:
            return remainder
        broken |= followers
    return None


def _misnames_image(violation: Violation) -> bool:
    """Whether nothing is wrong but an image's name: what the image says can be checked all the same."""
    return violation.of_key and violation.path == ("images",)


def _remove(
    data: PlainData, needed: Mapping[str, PlainData], broken: Collection[DocumentPath], misnamed: Collection[str]
) -> Remainder:
    """Cut out the values at the broken paths, and lists that are empty without them; rename `misnamed` images."""
    indexes: dict[DocumentPath, tuple[int, ...]] = {}

    def rest_of(value: PlainData, path: DocumentPath) -> PlainData:
        if isinstance(value, list):
            kept = tuple(index for index in range(len(value)) if (*path, index) not in broken)
            if len(kept) < len(value):
                indexes[path] = kept
            return [rest_of(value[index], (*path, index)) for index in kept]
        if isinstance(value, dict):
            intact = {key: item for key, item in value.items() if (*path, key) not in broken}
            rest = {key: rest_of(item, (*path, key)) for key, item in intact.items()}
            return {key: item for key, item in rest.items() if item != [] or intact[key] == []}
        return value

    rest = rest_of(data, ())
    whole = {**needed, **rest} if isinstance(rest, dict) else rest
    stand_ins = {name: f"{_STAND_IN}{number}" for number, name in enumerate(misnamed)}
    if isinstance(whole, dict) and isinstance(images := whole.get("images"), dict):
        whole["images"] = {stand_ins.get(name, name): image for name, image in images.items()}
    names = {stand_in: name for name, stand_in in stand_ins.items()}
    return Remainder(data=whole, indexes=indexes, names=names, broken=frozenset(broken))


class _Explainer:
    """Turns one violation into problems, and says which parts of the document are unusable."""

    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._report = report

    def explain(self, violation: Violation) -> Iterator[DocumentPath]:
        path = violation.path
        match violation.keyword:
            case "additionalProperties":
                yield from self._unknown_keys(path, violation)
            case "required":
                yield from self._missing_keys(path, violation)
            case "anyOf":
                yield from self._no_option(path, violation)
            case "type":
                self._wrong_kind(path, violation.value, [violation.wanted])
                yield path
            case "uniqueItems":
                yield from self._repeated_items(path, violation.value)
            case "pattern":
                yield self._wrong_text(path, violation)
            case "enum":
                advice = f"write {list_words(violation.wanted, conjunction='or')}"
                self._report.add(path, f"{quote(violation.value)} is not known here", advice)
                yield path
            case "minimum" | "maximum":
                low, high = violation.schema["minimum"], violation.schema["maximum"]
                self._report.add(path, f"{violation.value} is out of range", f"write a number from {low} to {high}")
                yield path
            case _:
                self._report.add(path, mask_userinfo(violation.message))
                yield path

    def _unknown_keys(self, path: DocumentPath, violation: Violation) -> Iterator[DocumentPath]:
        known = violation.schema["properties"]
        for name in violation.value:
            if name not in known:
                advice = suggest_nearest(name, known)
                self._report.add((*path, name), f"there is no key {quote(name)} here", advice, key=True)
                yield (*path, name)

    def _missing_keys(self, path: DocumentPath, violation: Violation) -> Iterator[DocumentPath]:
        for name in violation.wanted:
            if name not in violation.value:
                description = violation.schema["properties"][name]["description"]
                message = f"the key {quote(name)} is missing"
                self._report.add(path, message, f"add it: {description}", key=True)
                yield (*path, name)
        if path:
            yield path

    def _no_option(self, path: DocumentPath, violation: Violation) -> Iterator[DocumentPath]:
        """Explain by the option that is of the data's own kind, if there is one."""
        kinds = [it for it in violation.causes if it.keyword == "type" and it.path == path]
        others = [it for it in violation.causes if it not in kinds]
        deeper = [it for it in others if it.keyword != "enum" or it.path != path or isinstance(it.value, str)]
        for cause in deeper:
            yield from self.explain(cause)
        if not deeper:
            self._wrong_kind(path, violation.value, [cause.wanted for cause in kinds])
            yield path

    def _wrong_kind(self, path: DocumentPath, value: PlainData, kinds: list[str]) -> None:
        wanted = " or ".join(_KINDS[kind] for kind in kinds)
        written = self._source.find(path).written
        if value is None and not written:
            self._report.add(path, f"there is no value, but {wanted} belongs here", "add it or delete the key")
        elif isinstance(value, list | dict):
            found = "a list" if isinstance(value, list) else "a mapping"
            advice = "begin each entry with '- '" if "array" in kinds else f"replace it by {wanted}"
            self._report.add(path, f"{found} stands where {wanted} belongs", advice)
        elif "string" in kinds:
            message = f"{show(written)} without quotes is {_read_as(value)}, not text"
            self._report.add(path, message, f'write "{show(written)}" in quotes')
        else:
            advice = f"write it in brackets: [{show(written)}]" if "array" in kinds else ""
            self._report.add(path, f"{quote(written)} stands where {wanted} belongs", advice)

    def _wrong_text(self, path: DocumentPath, violation: Violation) -> DocumentPath:
        """Handles values and, with `propertyNames`, keys: their path is the mapping's."""
        where = (*path, violation.value) if violation.of_key else path
        message = f"{quote(violation.value)} is not {violation.schema['title']}"
        self._report.add(where, message, violation.schema.get("patternErrorMessage", ""), key=violation.of_key)
        return where

    def _repeated_items(self, path: DocumentPath, items: list[PlainData]) -> Iterator[DocumentPath]:
        for index, item in enumerate(items):
            if items.index(item) < index:
                self._report.add((*path, index), f"{quote(item)} is listed twice", "keep one of the two")
                yield (*path, index)


def _read_as(value: Scalar) -> str:
    if value is None:
        return "the empty value"
    return f"the number {value}" if not isinstance(value, bool) else f"the truth value {str(value).lower()}"
