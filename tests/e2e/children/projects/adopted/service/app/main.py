"""A service."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def read_root() -> dict[str, str]:
    """What is at the root."""
    return {"hello": "world"}
