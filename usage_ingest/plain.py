"""How money and other decimals are written, in documents, reports, files and texts. Pure."""

from decimal import Decimal


def plain(number: Decimal) -> str:
    """Write a decimal in the one way that equal numbers share: no exponent, no idle zeros."""
    text = format(number, "f") if number else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text
