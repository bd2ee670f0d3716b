"""Sizes as people read them."""


def in_bytes(size: int) -> str:
    """A size in decimal units, as registries use them: 1234567 → "1.2 MB"."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
