from dataclasses import fields, replace

from usage_ingest.value import value


@value()
class Place:
    street: str
    number: int = 1


@value(kw_only=True)
class Person:
    name: str
    place: Place


def test_values_are_compared_and_hashed_by_what_they_hold() -> None:
    one, other = Person(name="a", place=Place("b")), Person(name="a", place=Place("b", 1))

    assert one == other
    assert len({one, other, replace(other, place=Place("b", 2))}) == 2


def test_values_take_no_further_attributes() -> None:
    assert [each.name for each in fields(Person)] == ["name", "place"]
    assert not hasattr(Place("b"), "__dict__")
