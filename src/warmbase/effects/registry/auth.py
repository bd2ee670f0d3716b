"""Who a client is for a registry."""

from collections.abc import Sequence

Access = frozenset[tuple[str, str]]
"""What a request needs: pairs of a resource, "repository:data", and an action, "pull"."""


def access(repository: str, *actions: str) -> Access:
    """The right to do `actions` in a repository."""
    return frozenset((f"repository:{repository}", action) for action in actions)


class Authenticator:
    """Answers a registry's challenges."""

    def header(self, wanted: Access) -> str:
        """The Authorization header to send for `wanted`; empty for none."""
        return ""

    def answer(self, challenges: Sequence[str], wanted: Access, refused: str) -> bool:
        """Do what the WWW-Authenticate headers ask; whether `header` now has a better answer than the `refused` one."""
        return False

    def mask(self, text: str) -> str:
        """The text without the secrets that the authenticator knows."""
        return text
