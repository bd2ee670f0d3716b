"""Say hello."""

import fastapi


def main() -> None:
    """Greet whoever runs this."""
    print("hello from FastAPI", fastapi.__version__)
