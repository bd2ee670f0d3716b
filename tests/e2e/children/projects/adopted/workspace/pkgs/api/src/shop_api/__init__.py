"""The shop's API."""

from fastapi import FastAPI
from shop_stock import ITEMS

app = FastAPI()


@app.get("/items")
def list_items() -> list[str]:
    """The names of what can be bought."""
    return [item.name for item in ITEMS if item.count]
