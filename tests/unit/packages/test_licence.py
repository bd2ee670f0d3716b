"""What wheels say of their licences, and what that means in SPDX's words."""

from pathlib import Path

import pytest

from warmbase.packages.licence import licences_of, read_declared

OSI = "License :: OSI Approved :: "


def declared(folder: Path, *fields: str) -> tuple[str, ...]:
    info = folder / "some_package-1.0.dist-info"
    info.mkdir(parents=True)
    text = "\n".join(["Metadata-Version: 2.4", "Name: some-package", *fields, "", "License: of the description"])
    (info / "METADATA").write_text(text)
    return licences_of(read_declared(folder))


@pytest.mark.parametrize(
    ("fields", "licences"),
    [
        (["License-Expression: MIT OR apache-2.0"], ("MIT OR Apache-2.0",)),
        (["License-Expression: MIT", f"Classifier: {OSI}BSD License"], ("MIT",)),
        (["License: BSD-3-Clause", f"Classifier: {OSI}BSD License"], ("BSD-3-Clause",)),
        (["License: Apache 2.0"], ("Apache-2.0",)),
        (["License: UNKNOWN", f"Classifier: {OSI}ISC License (ISCL)"], ("ISC",)),
        (["License: BSD", f"Classifier: {OSI}BSD License"], ("BSD License",)),
        ([f"Classifier: {OSI}MIT License", f"Classifier: {OSI}Apache Software License"],
         ("Apache Software License", "MIT")),
        (["Classifier: License :: OSI Approved", "License: ours"], ("ours",)),
        (["License: MIT License", "        ", "        Copyright (c) somebody"], ("MIT",)),
        (["License: A licence of our own"], ("A licence of our own",)),
        (["Classifier: Programming Language :: Python"], ()),
    ],
)  # fmt: skip
def test_what_is_clear_is_said_in_the_words_of_spdx(
    tmp_path: Path, fields: list[str], licences: tuple[str, ...]
) -> None:
    assert declared(tmp_path, *fields) == licences


def test_a_whole_licence_text_is_not_kept(tmp_path: Path) -> None:
    (kept,) = declared(tmp_path, "License: " + "Permission is granted. " * 100)
    assert len(kept) <= 100


def test_a_wheel_without_metadata_says_nothing(tmp_path: Path) -> None:
    assert licences_of(read_declared(tmp_path)) == ()


def test_notes_of_another_form_say_nothing() -> None:
    assert licences_of(None) == ()
