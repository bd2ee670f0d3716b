"""Every failure that warmbase reports, with its exit code.

A message says what happened and where; `next_step` says what to do about it. The command line is the
only place that turns an error into output and an exit status. Exit codes follow sysexits.h where it has
a word for the failure; 1 is a run in which some variants failed, 2 a wrong command line.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

_USERINFO = re.compile(r"(?<=://)[^/\s]+@")  # RFC 3986, section 3.2.1
_LOGIN = re.compile(r".+@(?!sha\d+:|[0-9a-f]*$)", re.DOTALL)


def mask_userinfo(text: str) -> str:
    """Return `text` without the user information of URLs: no message tells a password."""
    return _USERINFO.sub("***@", text)


def mask_login(name: str) -> str:
    """Return the name of an image or a registry without what somebody wrote before its host, as in URLs.

    What follows an @ may also be a digest, or its first digits: that is a name's own.
    """
    return _LOGIN.sub("***@", name)


class WarmbaseError(Exception):
    """A failure with a message for people.

    `message` says what and where in plain text (it may span lines), `next_step` what to do; neither holds the user
    information of a URL.
    """

    exit_code: ClassVar[int] = 70  # EX_SOFTWARE

    def __init__(self, message: str, *, next_step: str = "") -> None:
        self.message = mask_userinfo(message)
        self.next_step = mask_userinfo(next_step)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.next_step}" if self.next_step else self.message


class CatalogError(WarmbaseError):
    """The catalog cannot be used; `problems` lists everything that is wrong with it, ready to print."""

    exit_code = 65  # EX_DATAERR

    def __init__(self, problems: Sequence[object], *, next_step: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems), next_step=next_step)
        self.problems = tuple(problems)


class SelectionError(WarmbaseError):
    """The command line names an image, a variant or a platform that the catalog does not have."""

    exit_code = 64  # EX_USAGE


class LockError(WarmbaseError):
    """A lock is missing, damaged, does not fit the catalog, or cannot be resolved."""

    exit_code = 65  # EX_DATAERR


class FoundationError(WarmbaseError):
    """A foundation could not be made."""

    exit_code = 69  # EX_UNAVAILABLE


class PackagesError(WarmbaseError):
    """A wheel could not be fetched or installed."""

    exit_code = 69  # EX_UNAVAILABLE


class OverlapError(WarmbaseError):
    """Two wheels bring the same path with different content, and the catalog names no winner."""

    exit_code = 65  # EX_DATAERR


class StoreError(WarmbaseError):
    """The layer store cannot be read or written."""

    exit_code = 74  # EX_IOERR


class VerificationError(WarmbaseError):
    """An image does not keep its contract."""

    exit_code = 65  # EX_DATAERR


class RunnerError(WarmbaseError):
    """This machine cannot run the image as asked."""

    exit_code = 69  # EX_UNAVAILABLE


class BuilderError(WarmbaseError):
    """A builder (BuildKit) is not there, or could not build; `target` names what failed, "" where that is nothing in
    particular."""

    exit_code = 69  # EX_UNAVAILABLE

    def __init__(self, message: str, *, next_step: str = "", target: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.target = target


class RegistryError(WarmbaseError):
    """A registry could not be reached, refused a request, or answered what it must not; the message has no secrets.

    `status` is the HTTP status that ended it, 0 where there was none.
    """

    exit_code = 69  # EX_UNAVAILABLE

    def __init__(self, message: str, *, next_step: str = "", status: int = 0) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status


class PublishError(WarmbaseError):
    """An image cannot be published, promoted, rolled back or yanked as asked: a rule of the tags forbids it."""

    exit_code = 65  # EX_DATAERR


class ListingError(WarmbaseError):
    """What is published cannot be read, or nothing says where."""

    exit_code = 69  # EX_UNAVAILABLE


class UnknownBaseError(ListingError):
    """What is published has no base of that name, or several."""

    exit_code = 64  # EX_USAGE


class ProjectError(WarmbaseError):
    """A project's file is missing, cannot be read, or cannot be changed as asked."""

    exit_code = 65  # EX_DATAERR


class ProcessError(WarmbaseError):
    """A program that warmbase started failed; the message carries what it said, without secrets."""

    exit_code = 70  # EX_SOFTWARE
