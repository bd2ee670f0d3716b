from shop_stock import ITEMS


def test_pens_are_in_stock() -> None:
    assert ITEMS[0].count == 3
