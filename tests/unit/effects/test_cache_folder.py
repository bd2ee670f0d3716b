"""Where warmbase keeps what it can make again."""

from pathlib import Path

import pytest

from warmbase.effects.files import cache_folders

HOME = {"HOME": "/home/ada"}


@pytest.mark.parametrize(
    ("environment", "is_windows", "folder"),
    [
        (HOME, False, "/home/ada/.cache/warmbase"),
        ({**HOME, "XDG_CACHE_HOME": "/var/cache/ada"}, False, "/var/cache/ada/warmbase"),
        ({**HOME, "XDG_CACHE_HOME": "relative"}, False, "/home/ada/.cache/warmbase"),
        ({**HOME, "LOCALAPPDATA": "/odd"}, False, "/home/ada/.cache/warmbase"),
        ({"LOCALAPPDATA": "/Users/Ada/AppData/Local"}, True, "/Users/Ada/AppData/Local/warmbase/cache"),
        ({"LOCALAPPDATA": "/Users/Ada", "WARMBASE_CACHE_DIR": "/mine"}, True, "/mine"),
    ],
)
def test_the_cache_lies_where_the_system_keeps_such_things(
    environment: dict[str, str], is_windows: bool, folder: str
) -> None:
    assert cache_folders(environment, is_windows=is_windows).root == Path(folder)


def test_what_is_read_of_places_lies_in_it() -> None:
    assert cache_folders({"WARMBASE_CACHE_DIR": "/mine"}).published == Path("/mine/published")
