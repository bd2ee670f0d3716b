from shop_api import list_items


def test_only_what_is_in_stock_is_listed() -> None:
    assert list_items() == ["pen"]
