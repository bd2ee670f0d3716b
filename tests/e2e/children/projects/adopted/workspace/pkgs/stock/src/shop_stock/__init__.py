"""What is in stock."""

import pydantic


class Item(pydantic.BaseModel):
    """Something that is sold."""

    name: str
    count: int


ITEMS = [Item(name="pen", count=3), Item(name="ink", count=0)]
