"""warmbase: a factory for shared Python base images."""


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: reading package metadata takes longer than most commands."""
    if name != "__version__":
        raise AttributeError(f"module 'warmbase' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("warmbase")
    except PackageNotFoundError:  # running from a source tree that was never installed
        return "0+unknown"
