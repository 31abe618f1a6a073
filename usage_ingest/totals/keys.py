"""Which key a rollup document is of, and whether a ledger document belongs under it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations
from typing import Any, Final

from usage_ingest.record import UsageRecord
from usage_ingest.rollup import KEY_FIELDS, OTHER, RollupKey, rollup_id, rollup_key

_SLOTS: Final = 32
"""More than ROLLUP_SLOTS can be."""
_TAGS_TRIED: Final = 4


def key_of(rollup: Mapping[str, Any]) -> RollupKey:
    """Return the key that a rollup document tells."""
    told: dict[str, Any] = {name: rollup.get(name) for name in KEY_FIELDS}
    tags = told["tags"]
    told["tags"] = tuple(tags.items()) if isinstance(tags, Mapping) else ()
    return RollupKey(**told)


def is_its_own(rollup: Mapping[str, Any]) -> bool:
    """Whether a rollup document's id is that of the key and the slot that it tells."""
    key, slot = key_of(rollup), rollup.get("slot")
    try:
        return isinstance(slot, int) and any(
            rollup_id(each.key_hash(), slot) == rollup["id"] for each in _arranged(key)
        )
    except TypeError:  # changed by hand into what no key holds
        return False


def _arranged(key: RollupKey) -> Iterator[RollupKey]:
    """Yield the key with its tags in every order: a store need not keep that of an object."""
    if len(key.tags) > _TAGS_TRIED:
        yield key
        return
    for tags in permutations(key.tags):
        yield key._replace(tags=tags)


def belongs(record: UsageRecord, key: RollupKey) -> bool:
    """Whether a record is counted under a key, as it is or with `(other)` for what has no bound."""
    own = rollup_key(record, [name for name, _ in key.tags])
    plain = _sorted(own)
    if plain == _sorted(key):
        return True
    return OTHER in (key.app_id, key.tenant_id, *dict(key.tags).values()) and (
        _sorted(own.collapsed()) == _sorted(key)
    )


def _sorted(key: RollupKey) -> RollupKey:
    return key if len(key.tags) < 2 else key._replace(tags=tuple(sorted(key.tags)))  # noqa: PLR2004


def key_behind(
    wanted: str, record: UsageRecord, tag_names: Sequence[str]
) -> tuple[RollupKey, int] | None:
    """Find the key and the slot whose rollup has this id, from a record that names it.

    The tags that were listed when it was counted need not be those of today.
    """
    for names in _tag_lists(record, tag_names):
        own = rollup_key(record, names)
        for key in dict.fromkeys((own, own.collapsed())):
            key_hash = key.key_hash()
            for slot in range(_SLOTS):
                if rollup_id(key_hash, slot) == wanted:
                    return key, slot
    return None


def _tag_lists(record: UsageRecord, tag_names: Sequence[str]) -> Iterator[Sequence[str]]:
    yield tag_names
    if len(record.tags) <= _TAGS_TRIED:
        for count in range(len(record.tags) + 1):
            yield from combinations(record.tags, count)
