from dataclasses import fields, replace

from usage_ingest.value import replacer, value


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


def test_a_replacer_makes_a_value_from_another_one() -> None:
    person = Person(name="a", place=Place("b", 2))
    renamed = replacer(Person, "name")

    made = renamed(person, "c")

    assert made == replace(person, name="c") == Person(name="c", place=Place("b", 2))
    assert type(made) is Person
    assert person.name == "a"


def test_a_replacer_takes_the_fields_in_the_order_that_was_asked_for() -> None:
    moved = replacer(Place, "number", "street")

    assert moved(Place("a"), 7, "b") == Place("b", 7)
