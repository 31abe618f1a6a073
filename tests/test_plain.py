from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_ingest.plain import plain


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("2.50", "2.5"),
        ("0.00", "0"),
        ("-0.00", "0"),
        ("0E+3", "0"),
        ("1E+3", "1000"),
        ("-3.00", "-3"),
        ("1.5E-7", "0.00000015"),
        ("1E-24", "0." + "0" * 23 + "1"),
    ],
)
def test_a_decimal_is_written_in_full(written: str, text: str) -> None:
    assert plain(Decimal(written)) == text


@given(number=st.decimals(allow_nan=False, allow_infinity=False), power=st.integers(0, 20))
def test_equal_decimals_are_one_text_which_is_read_back(number: Decimal, power: int) -> None:
    digits = number.as_tuple()
    longer = Decimal((digits.sign, (*digits.digits, *[0] * power), int(digits.exponent) - power))

    assert plain(number) == plain(longer)
    assert Decimal(plain(number)) == number
