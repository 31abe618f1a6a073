"""The Cosmos DB stand-in, driven through the real asyncio SDK."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ServiceRequestError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from local.cosmos import CosmosServer, Fault
from local.cosmos.sql import parse_query

CONTAINERS: list[dict[str, Any]] = [
    {
        "id": "usage",
        "partitionKey": {"paths": ["/partitionKey"], "kind": "Hash", "version": 2},
        "defaultTtl": -1,
        "indexingPolicy": {"indexingMode": "consistent", "includedPaths": [{"path": "/*"}]},
    },
    {
        "id": "letters",
        "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2},
        "defaultTtl": 100,
    },
    {"id": "forever", "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2}},
]
KEY = "partitionKey"
EVERYTHING = "SELECT * FROM c"
IF_MODIFIED: dict[str, Any] = {"etag": "x", "match_condition": MatchConditions.IfModified}
SET_N = [{"op": "set", "path": "/n", "value": 1}]
large_bodies = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(tmp_path: Path, clock: Clock) -> AsyncIterator[CosmosServer]:
    async with CosmosServer(tmp_path / "cosmos.db", clock=clock) as server:
        server.provision("usage-ingest", CONTAINERS)
        yield server


@asynccontextmanager
async def connect(
    server: CosmosServer, name: str = "usage", **options: Any
) -> AsyncIterator[ContainerProxy]:
    options = {"retry_fixed_interval": 1, "retry_backoff_factor": 0.001, **options}
    async with CosmosClient(server.endpoint, server.key, **options) as client:
        yield client.get_database_client("usage-ingest").get_container_client(name)


@pytest.fixture
async def usage(server: CosmosServer) -> AsyncIterator[ContainerProxy]:
    async with connect(server) as container:
        yield container


def doc(item: str, pk: str = "p", /, **more: Any) -> dict[str, Any]:
    return {"id": item, KEY: pk, **more}


async def fill(container: ContainerProxy, *documents: dict[str, Any]) -> None:
    for document in documents:
        await container.create_item(document)


async def rows(container: ContainerProxy, query: str, **options: Any) -> list[Any]:
    return [row async for row in container.query_items(query, **options)]


async def status_of(call: Any) -> tuple[int, str]:
    with pytest.raises(CosmosHttpResponseError) as caught:
        await call
    return caught.value.status_code or 0, str(caught.value)


# --- account, databases, containers ---


async def test_databases_and_containers_are_read_as_provisioned(server: CosmosServer) -> None:
    async with CosmosClient(server.endpoint, server.key) as client:
        database = client.get_database_client("usage-ingest")

        properties = await database.get_container_client("usage").read()

        assert (await database.read())["id"] == "usage-ingest"
        assert {key: properties[key] for key in CONTAINERS[0]} == CONTAINERS[0]


async def test_what_is_not_provisioned_is_not_found(server: CosmosServer) -> None:
    async with CosmosClient(server.endpoint, server.key) as client:
        with pytest.raises(CosmosResourceNotFoundError):
            await client.get_database_client("other").read()
        with pytest.raises(CosmosResourceNotFoundError):
            await client.get_database_client("usage-ingest").get_container_client("x").read()


async def test_databases_and_containers_are_created_once_and_deleted_with_all_they_hold(
    server: CosmosServer,
) -> None:
    key = PartitionKey("/partitionKey")
    async with CosmosClient(server.endpoint, server.key) as client:
        database = await client.create_database("other")
        usage = await database.create_container("usage", key, default_ttl=-1)
        await fill(usage, doc("a"))

        assert (await status_of(client.create_database("other")))[0] == 409
        assert (await status_of(database.create_container("usage", key)))[0] == 409
        assert await rows(usage, "SELECT VALUE c.id FROM c") == ["a"]
        assert (await usage.read())["indexingPolicy"]["includedPaths"] == [{"path": "/*"}]

        await client.delete_database("other")
        assert (await status_of(database.create_container("usage", key)))[0] == 404
        again = await client.create_database_if_not_exists("other")
        made = await again.create_container_if_not_exists("usage", key)
        assert await rows(made, "SELECT VALUE c.id FROM c") == []


async def test_a_path_that_is_not_served_is_refused_by_name(server: CosmosServer) -> None:
    async def listed(call: Any) -> list[Any]:
        return [one async for one in call]

    async with CosmosClient(server.endpoint, server.key) as client:
        database = client.get_database_client("usage-ingest")
        for call, named in (
            (client.list_databases(), "GET /dbs"),
            (database.list_containers(), "GET /dbs/usage-ingest/colls"),
        ):
            status, text = await status_of(listed(call))
            assert (status, f"{named} is not supported" in text) == (400, True)


async def test_provisioning_again_keeps_items_and_takes_over_settings(
    server: CosmosServer, usage: ContainerProxy
) -> None:
    await fill(usage, doc("a"))

    server.provision("usage-ingest", [{**CONTAINERS[0], "indexingPolicy": {"automatic": True}}])

    assert (await usage.read())["indexingPolicy"] == {"automatic": True}
    assert await rows(usage, "SELECT VALUE c.id FROM c") == ["a"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"partitionKey": {"paths": ["/other"], "kind": "Hash"}}, "partitionKey"),
        ({"defaultTtl": 50}, "defaultTtl"),
        ({"partitionKey": {"paths": ["/a", "/b"], "kind": "MultiHash"}}, "hierarchical"),
    ],
)
async def test_settings_that_items_depend_on_cannot_change(
    server: CosmosServer, changed: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        server.provision("usage-ingest", [{**CONTAINERS[0], **changed}])


async def test_wrong_key_and_missing_key_are_unauthorized(server: CosmosServer) -> None:
    client = CosmosClient(server.endpoint, "d3Jvbmc=")
    try:
        status, _ = await status_of(client.get_database_client("usage-ingest").read())
    finally:
        await client.close()  # entering a client that cannot connect would leak its connection
    assert status == 401
    async with aiohttp.ClientSession() as http, http.get(f"{server.endpoint}/dbs") as answer:
        assert answer.status == 401


async def test_port_in_use_is_named(server: CosmosServer, tmp_path: Path) -> None:
    second = CosmosServer(tmp_path / "second.db", port=server.port)
    with pytest.raises(OSError, match=str(server.port)):
        await second.start()


async def test_items_survive_a_restart_under_an_open_client(
    tmp_path: Path, usage: ContainerProxy, server: CosmosServer
) -> None:
    created = await usage.create_item(doc("a", n=1))
    endpoint = server.endpoint

    await server.stop()
    await server.start()

    assert server.endpoint == endpoint
    assert await usage.read_item("a", "p") == created
    assert (await usage.create_item(doc("b")))["_rid"] != created["_rid"]
    assert (tmp_path / "cosmos.db").exists()


# --- single items ---


async def test_an_item_goes_through_its_life(usage: ContainerProxy, clock: Clock) -> None:
    created = await usage.create_item(doc("a", text="äöü 你好", nested={"x": [1, None, 2.5]}))
    assert created["_ts"] == int(clock.now)
    assert {"_rid", "_etag"} <= set(created)
    assert await usage.read_item("a", "p") == created

    replaced = await usage.replace_item("a", doc("a", n=1))
    assert replaced["_etag"] != created["_etag"]
    assert replaced["_rid"] == created["_rid"]
    assert "text" not in replaced

    assert (await usage.upsert_item(doc("a", n=2)))["n"] == 2
    assert (await usage.upsert_item(doc("b")))["id"] == "b"
    await usage.delete_item("a", "p")
    with pytest.raises(CosmosResourceNotFoundError):
        await usage.read_item("a", "p")
    with pytest.raises(CosmosResourceNotFoundError):
        await usage.delete_item("a", "p")


async def test_an_id_is_taken_within_its_logical_partition_only(usage: ContainerProxy) -> None:
    await fill(usage, doc("a", "p"), doc("a", "q"))

    with pytest.raises(CosmosResourceExistsError):
        await usage.create_item(doc("a", "p"))


async def test_items_without_the_partition_key_share_one_partition(usage: ContainerProxy) -> None:
    await usage.create_item({"id": "a"})

    with pytest.raises(CosmosResourceExistsError):
        await usage.create_item({"id": "a"})
    await usage.create_item({"id": "a", KEY: None})


async def test_etags_guard_writes(usage: ContainerProxy) -> None:
    first = await usage.create_item(doc("a", n=1))
    guard: dict[str, Any] = {"match_condition": MatchConditions.IfNotModified}
    await usage.replace_item("a", doc("a", n=2), etag=first["_etag"], **guard)

    for write in (
        usage.replace_item("a", doc("a"), etag=first["_etag"], **guard),
        usage.upsert_item(doc("a"), etag=first["_etag"], **guard),
        usage.delete_item("a", "p", etag=first["_etag"], **guard),
        usage.patch_item(
            "a", "p", [{"op": "incr", "path": "/n", "value": 1}], etag=first["_etag"], **guard
        ),
    ):
        with pytest.raises(CosmosAccessConditionFailedError):
            await write
    assert (await usage.read_item("a", "p"))["n"] == 2


async def test_a_read_of_an_unchanged_item_is_not_modified(usage: ContainerProxy) -> None:
    item = await usage.create_item(doc("a"))
    condition: dict[str, Any] = {"etag": item["_etag"]}
    condition["match_condition"] = MatchConditions.IfModified

    assert await usage.read_item("a", "p", **condition) == {}


async def test_headers_carry_charge_and_etag(usage: ContainerProxy) -> None:
    item = await usage.create_item(doc("a"))

    headers = item.get_response_headers()

    assert headers["x-ms-request-charge"] == "1"
    assert headers["etag"] == item["_etag"]


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda usage: usage.create_item(doc("b"), no_response=True), "no_response"),
        (lambda usage: usage.upsert_item(doc("a"), **IF_MODIFIED), "If-None-Match"),
        (lambda usage: usage.patch_item("a", "p", SET_N, filter_predicate="from c"), "predicate"),
        (lambda usage: anext(usage.query_items_change_feed()), "change feed"),
    ],
)
async def test_what_is_not_served_is_refused_by_name(
    usage: ContainerProxy, ask: Callable[[ContainerProxy], Any], named: str
) -> None:
    item = await usage.create_item(doc("a"))

    status, text = await status_of(ask(usage))

    assert (status, named in text) == (400, True), text
    assert await rows(usage, EVERYTHING) == [item]


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a?b", "a#b", "x" * 1024, 7, None])
async def test_a_bad_id_is_refused(usage: ContainerProxy, name: Any) -> None:
    with pytest.raises(CosmosBatchOperationError) as caught:
        await usage.execute_item_batch([("create", ({"id": name, KEY: "p"},))], "p")
    assert caught.value.status_code == 400


@large_bodies
async def test_an_item_above_2_mb_is_too_large(usage: ContainerProxy) -> None:
    await usage.create_item(doc("fits", text="x" * (2 * 1024 * 1024 - 300)))

    status, _ = await status_of(usage.create_item(doc("large", text="x" * (2 * 1024 * 1024))))

    assert status == 413


async def test_a_partition_key_other_than_the_items_is_refused(usage: ContainerProxy) -> None:
    with pytest.raises(CosmosBatchOperationError) as caught:
        await usage.execute_item_batch([("create", (doc("a", "other"),))], "p")
    assert caught.value.status_code == 400


# --- time to live ---


async def test_expired_items_are_gone_for_reads_queries_and_creates(
    usage: ContainerProxy, clock: Clock
) -> None:
    await fill(usage, doc("short", ttl=10), doc("never"), doc("endless", ttl=-1))
    clock.now += 9
    assert (await usage.read_item("short", "p"))["id"] == "short"

    clock.now += 1

    with pytest.raises(CosmosResourceNotFoundError):
        await usage.read_item("short", "p")
    assert await rows(usage, "SELECT VALUE c.id FROM c") == ["never", "endless"]
    await usage.create_item(doc("short"))


async def test_the_containers_ttl_is_the_default_and_its_absence_switches_ttl_off(
    server: CosmosServer, clock: Clock
) -> None:
    async with connect(server, "letters") as letters, connect(server, "forever") as forever:
        for container in (letters, forever):
            await container.create_item({"id": "plain", "pk": "p"})
            await container.create_item({"id": "longer", "pk": "p", "ttl": 1000})
            await container.create_item({"id": "always", "pk": "p", "ttl": -1})

        clock.now += 100

        ids = "SELECT VALUE c.id FROM c"
        assert await rows(letters, ids) == ["longer", "always"]
        assert await rows(forever, ids) == ["plain", "longer", "always"]


@pytest.mark.parametrize("ttl", [0, -2, 1.5, "10", True, 2**31])
async def test_a_bad_ttl_is_refused(usage: ContainerProxy, ttl: Any) -> None:
    status, _ = await status_of(usage.create_item(doc("a", ttl=ttl)))
    assert status == 400


async def test_a_patch_starts_the_time_to_live_anew(usage: ContainerProxy, clock: Clock) -> None:
    await fill(usage, doc("a", ttl=10))
    clock.now += 8
    await usage.patch_item("a", "p", [{"op": "incr", "path": "/n", "value": 1}])
    clock.now += 8

    assert (await usage.read_item("a", "p"))["n"] == 1


# --- patch ---


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/b", "value": [1]}, {"b": [1]}),
        ({"op": "set", "path": "/new", "value": None}, {"new": None}),
        ({"op": "set", "path": "/in/deep", "value": 1}, {"in": {"x": 1, "deep": 1}}),
        ({"op": "set", "path": "/a~1b", "value": 1}, {"a/b": 1}),
        ({"op": "replace", "path": "/n", "value": "x"}, {"n": "x"}),
        ({"op": "incr", "path": "/n", "value": 2}, {"n": 3}),
        ({"op": "incr", "path": "/n", "value": -0.5}, {"n": 0.5}),
        ({"op": "incr", "path": "/fresh", "value": 5}, {"fresh": 5}),
        ({"op": "incr", "path": "/in/fresh", "value": 5}, {"in": {"x": 1, "fresh": 5}}),
    ],
)
async def test_patch_operations(
    usage: ContainerProxy, operation: dict[str, Any], expected: dict[str, Any]
) -> None:
    await fill(usage, doc("a", n=1, **{"in": {"x": 1}}))

    patched = await usage.patch_item("a", "p", [operation])

    assert {key: patched[key] for key in expected} == expected
    assert await usage.read_item("a", "p") == patched


async def test_patch_removes(usage: ContainerProxy) -> None:
    await fill(usage, doc("a", n=1))
    assert "n" not in await usage.patch_item("a", "p", [{"op": "remove", "path": "/n"}])


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "incr", "path": "/text", "value": 1},
        {"op": "incr", "path": "/nothing", "value": 1},
        {"op": "incr", "path": "/flag", "value": 1},
        {"op": "incr", "path": "/n", "value": "1"},
        {"op": "incr", "path": "/missing/leaf", "value": 1},
        {"op": "set", "path": "/missing/leaf", "value": 1},
        {"op": "set", "path": "/n/leaf", "value": 1},
        {"op": "add", "path": "/list/7", "value": 1},
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "remove", "path": "/missing"},
        {"op": "move", "from": "/n", "path": "/m"},
        {"op": "set", "path": "/list/0", "value": 1},
        {"op": "set", "path": "/id", "value": "b"},
        {"op": "set", "path": "/partitionKey", "value": "b"},
        {"op": "set", "path": "/_etag", "value": "b"},
        {"op": "set", "path": "n", "value": 1},
        {"op": "set", "path": "/n"},
        {"op": "rename", "path": "/n", "value": 1},
    ],
)
async def test_a_patch_that_cannot_apply_changes_nothing(
    usage: ContainerProxy, operation: dict[str, Any]
) -> None:
    more: dict[str, Any] = {"in": {"x": 1}, "nothing": None, "flag": True}
    await fill(usage, doc("a", n=1, text="1", list=[], **more))
    before = await usage.read_item("a", "p")

    first = {"op": "incr", "path": "/n", "value": 1}
    status, _ = await status_of(usage.patch_item("a", "p", [first, operation]))

    assert status == 400
    assert await usage.read_item("a", "p") == before


async def test_a_patch_has_at_most_ten_operations(usage: ContainerProxy) -> None:
    await fill(usage, doc("a"))
    operations = [{"op": "incr", "path": f"/n{i}", "value": 1} for i in range(11)]

    assert (await usage.patch_item("a", "p", operations[:10]))["n9"] == 1
    status, _ = await status_of(usage.patch_item("a", "p", operations))
    assert status == 400


async def test_a_patch_of_a_missing_item_is_not_found(usage: ContainerProxy) -> None:
    with pytest.raises(CosmosResourceNotFoundError):
        await usage.patch_item("a", "p", [{"op": "incr", "path": "/n", "value": 1}])


async def test_two_clients_racing_on_an_increment_lose_nothing(server: CosmosServer) -> None:
    async with connect(server) as one, connect(server) as two:
        await fill(one, doc("a", n=0))
        increment = [{"op": "incr", "path": "/n", "value": 1}]

        await asyncio.gather(
            *(each.patch_item("a", "p", increment) for each in (one, two) for _ in range(40))
        )

        assert (await one.read_item("a", "p"))["n"] == 80


# --- batches ---


async def test_a_batch_carries_out_every_kind_of_operation(usage: ContainerProxy) -> None:
    await fill(usage, doc("old", n=1), doc("gone"), doc("patched"))

    answers = await usage.execute_item_batch(
        [
            ("create", (doc("new"),)),
            ("upsert", (doc("upserted"),)),
            ("replace", ("old", doc("old", n=2))),
            ("read", ("old",)),
            ("patch", ("patched", [{"op": "incr", "path": "/n", "value": 3}])),
            ("delete", ("gone",)),
        ],
        "p",
    )

    assert [answer["statusCode"] for answer in answers] == [201, 201, 200, 200, 200, 204]
    assert answers[3]["resourceBody"]["n"] == 2
    assert answers[3]["eTag"] == answers[2]["eTag"]
    assert answers[4]["resourceBody"]["n"] == 3


async def test_a_batch_without_response_answers_without_documents(usage: ContainerProxy) -> None:
    answers = await usage.execute_item_batch(
        [("create", (doc("a"),)), ("patch", ("a", [{"op": "incr", "path": "/n", "value": 3}]))],
        "p",
        no_response=True,
    )

    assert [answer["statusCode"] for answer in answers] == [201, 200]
    assert not any("resourceBody" in answer for answer in answers)
    assert all(answer["eTag"] for answer in answers)


@large_bodies
@pytest.mark.parametrize(
    ("failing", "status"),
    [
        (("create", (doc("taken"),)), 409),
        (("read", ("missing",)), 404),
        (("patch", ("missing", [{"op": "set", "path": "/n", "value": 1}])), 404),
        (("patch", ("taken", [{"op": "incr", "path": "/text", "value": 1}])), 400),
        (("create", (doc("large", text="x" * (2 * 1024 * 1024 - 200)),)), 413),
    ],
)
async def test_a_failing_operation_undoes_its_batch(
    usage: ContainerProxy, failing: Any, status: int
) -> None:
    await fill(usage, doc("taken", text="x"), doc("counter", n=0))
    increment = [{"op": "incr", "path": "/n", "value": 1}]
    pad = [("patch", ("counter", increment)), ("create", (doc("fresh"),))]

    with pytest.raises((CosmosBatchOperationError, CosmosHttpResponseError)) as caught:
        await usage.execute_item_batch([*pad, failing, ("delete", ("taken",))], "p")

    if isinstance(caught.value, CosmosBatchOperationError):
        assert caught.value.error_index == 2
        codes = [answer["statusCode"] for answer in caught.value.operation_responses]
        assert codes == [424, 424, status, 424]
    assert caught.value.status_code == status
    assert await rows(usage, "SELECT VALUE c.id FROM c") == ["taken", "counter"]
    assert (await usage.read_item("counter", "p"))["n"] == 0


async def test_etags_guard_operations_of_a_batch(usage: ContainerProxy) -> None:
    item = await usage.create_item(doc("a", n=1))

    def guarded(n: int) -> list[Any]:
        return [("replace", ("a", doc("a", n=n)), {"if_match_etag": item["_etag"]})]

    await usage.execute_item_batch(guarded(2), "p")

    with pytest.raises(CosmosBatchOperationError) as caught:
        await usage.execute_item_batch(guarded(3), "p")
    assert caught.value.status_code == 412
    assert (await usage.read_item("a", "p"))["n"] == 2


@large_bodies
async def test_a_batch_is_limited_to_100_operations_and_2_mb(usage: ContainerProxy) -> None:
    hundred = [("create", (doc(f"i{i}"),)) for i in range(100)]
    assert len(await usage.execute_item_batch(hundred, "p")) == 100

    status, _ = await status_of(usage.execute_item_batch([*hundred, ("read", ("i0",))], "p"))
    assert status == 400
    large = [("upsert", (doc(f"i{i}", text="x" * 700_000),)) for i in range(3)]
    status, _ = await status_of(usage.execute_item_batch(large, "p"))
    assert status == 413


# --- queries ---

PEOPLE = [
    doc("1", "p", n=3, name="Ann", tags=["x"], nested={"a": {"b": 1}}),
    doc("2", "p", n=1, name="bob", flag=True),
    doc("3", "q", n=2, name=None, nested={"a": [{"b": 2}]}),
    doc("4", "q", name="Cid", n="10"),
    doc("5", "q", name="Ann", n=2.5),
]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("c.n = 3", "1"),
        ("c.n != 3", "2345"),
        ("c.n <> 3 AND c.partitionKey = 'p'", "2"),
        ("c.n < 3", "235"),
        ("c.n >= 2.5", "15"),
        ("NOT c.n < 3", "1"),
        ("c.n BETWEEN 2 AND 3", "135"),
        ("c.n NOT BETWEEN 2 AND 3", "2"),
        ("c.name IN ('Ann', \"bob\")", "125"),
        ("c.name NOT IN ('Ann')", "234"),
        ("c.name = null", "3"),
        ("c.name != null", "1245"),
        ("IS_NULL(c.name)", "3"),
        ("c.flag = true", "2"),
        ("NOT c.flag", ""),
        ("c.flag", "2"),
        ("c.flag OR c.n = 3", "12"),
        ("c.flag = false OR NOT IS_DEFINED(c.flag)", "1345"),
        ("is_defined(c.n) and c.n > 'a'", ""),
        ("STARTSWITH(c.name, 'A')", "15"),
        ("CONTAINS(c.name, 'i')", "4"),
        ("ARRAY_CONTAINS(c.tags, 'x')", "1"),
        ('c["nested"]["a"].b = 1', "1"),
        ("c.n > 0 AND (c.id = '1' OR c.id = '5')", "15"),
        ("c.id = '1' AND c.id IN ('1', '2')", "1"),
        ("c.id IN ('1', '9', '4')", "14"),
        ("c.n > -1 AND c.n < 2e0", "2"),
        ("c.missing = 1", ""),
        ("NOT c.missing = 1", ""),
        ("false", ""),
    ],
)
async def test_filters(usage: ContainerProxy, where: str, expected: str) -> None:
    await fill(usage, *PEOPLE)

    found = await rows(usage, f"{EVERYTHING} WHERE {where}")

    assert "".join(row["id"] for row in found) == expected


async def test_what_was_written_since_a_second_is_found_however_it_was_written(
    usage: ContainerProxy, clock: Clock
) -> None:
    await fill(usage, doc("old"), doc("patched"), doc("replaced"))
    clock.now += 10
    since = [{"name": "@since", "value": int(clock.now)}]
    await usage.patch_item("patched", "p", [{"op": "incr", "path": "/n", "value": 1}])
    await usage.replace_item("replaced", doc("replaced"))
    await usage.execute_item_batch([("create", (doc("batched"),))], partition_key="p")

    written = "SELECT VALUE c.id FROM c WHERE c._ts >= @since"
    assert await rows(usage, written, parameters=since) == ["patched", "replaced", "batched"]
    before = "SELECT VALUE c.id FROM c WHERE c._ts < @since"
    assert await rows(usage, before, parameters=since) == ["old"]


async def test_parameters_of_any_type(usage: ContainerProxy) -> None:
    await fill(usage, *PEOPLE)
    query = "SELECT VALUE c.id FROM c WHERE c.n = @n OR ARRAY_CONTAINS(@names, c.name)"
    given: list[dict[str, Any]] = [{"name": "@n", "value": 2}]
    given.append({"name": "@names", "value": ["bob", "Cid"]})

    assert await rows(usage, query, parameters=given) == ["2", "3", "4"]


async def test_a_report_is_projected_and_filtered_across_partitions(usage: ContainerProxy) -> None:
    days = [doc(str(i), f"p{i}", type="rollup", day=f"2026-01-0{i}") for i in range(1, 6)]
    days[2] |= {"app_id": "a", "tags": {"team": "x"}}
    days[3] |= {"app_id": "b", "tags": {}}
    await fill(usage, *days, doc("9", type="usage", day="2026-01-03"))
    query = (
        'SELECT c["day"] AS day, c["tags"] AS tags FROM c WHERE c.type = @type AND c.day >= @start'
        ' AND c.day <= @end AND (NOT IS_DEFINED(c["tags"]["team"]) OR c["tags"]["team"] = @p3)'
        ' AND (c["app_id"] = @p4 OR c["app_id"] = @p5)'
    )
    given = {"@type": "rollup", "@start": "2026-01-02", "@end": "2026-01-04", "@p3": "x"}
    given |= {"@p4": "a", "@p5": "b"}
    parameters: list[dict[str, Any]] = [{"name": k, "value": v} for k, v in given.items()]

    assert await rows(usage, query, parameters=parameters) == [
        {"day": "2026-01-03", "tags": {"team": "x"}},
        {"day": "2026-01-04", "tags": {}},
    ]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("SELECT c.id, c.flag", [{"id": "1"}, {"id": "2", "flag": True}]),
        ("SELECT c.id AS key, c.nested.a", [{"key": "1", "a": {"b": 1}}, {"key": "2"}]),
        ('SELECT c["nested"]["a"] AS a', [{"a": {"b": 1}}, {}]),
        ("SELECT VALUE c.flag", [True]),
        ("SELECT VALUE COUNT(c.flag)", [1]),
        ("SELECT VALUE MIN(c.name)", ["Ann"]),
        ("SELECT VALUE MAX(c.gone)", []),
        ("SELECT TOP 1 c.id", [{"id": "1"}]),
    ],
)
async def test_projections_in_one_partition(
    usage: ContainerProxy, select: str, expected: list[Any]
) -> None:
    await fill(usage, *PEOPLE)
    assert await rows(usage, f"{select} FROM c", partition_key="p") == expected


@pytest.mark.parametrize("options", [{}, {"partition_key": "p"}])
async def test_order_top_and_aggregates(usage: ContainerProxy, options: dict[str, Any]) -> None:
    await fill(usage, *(doc(f"{i:02}", n=(i * 7) % 5) for i in range(10)))

    async def run(query: str) -> list[Any]:
        return await rows(usage, query, **options)

    assert await run("SELECT VALUE c.n FROM c ORDER BY c.n") == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    newest = "SELECT TOP 3 c.id, c.n FROM c ORDER BY c.n DESC, c.id ASC"
    assert await run(newest) == [
        {"id": "02", "n": 4},
        {"id": "07", "n": 4},
        {"id": "04", "n": 3},
    ]
    assert await run("SELECT TOP 2 VALUE c.id FROM c WHERE c.n = 0") == ["00", "05"]
    assert await run("SELECT VALUE COUNT(1) FROM c WHERE c.n > 2") == [4]
    assert await run("SELECT VALUE SUM(c.n) FROM c") == [20]
    assert await run("SELECT VALUE MIN(c.id) FROM c") == ["00"]
    assert await run("SELECT VALUE MAX(c.n) FROM c") == [4]
    whole = await run("SELECT * FROM c WHERE c.n = @n ORDER BY c.id DESC".replace("@n", "1"))
    assert [one["id"] for one in whole] == ["08", "03"]


async def test_distinct_values_are_merged_over_pages(usage: ContainerProxy) -> None:
    await fill(usage, *(doc(f"{i:03}", "pq"[i % 2], n=i % 3) for i in range(250)))

    assert sorted(await rows(usage, "SELECT DISTINCT VALUE c.partitionKey FROM c")) == ["p", "q"]
    one = "SELECT DISTINCT VALUE c.n FROM c WHERE c.n > 0"
    assert sorted(await rows(usage, one)) == [1, 2]
    status, text = await status_of(rows(usage, one, partition_key="p"))
    assert (status, "DISTINCT" in text) == (400, True)


@pytest.mark.parametrize("options", [{}, {"partition_key": "p"}])
async def test_order_by_sorts_types_and_puts_the_undefined_first(
    usage: ContainerProxy, options: dict[str, Any]
) -> None:
    values: list[Any] = ["b", 2, None, True, "a", 1.5, False]
    await fill(usage, *(doc(str(i), v=v) for i, v in enumerate(values)), doc("none"))

    found = await rows(usage, "SELECT c.v FROM c ORDER BY c.v", **options)
    backwards = await rows(usage, "SELECT c.v FROM c ORDER BY c.v DESC", **options)

    assert found[0] == {}
    assert [row["v"] for row in found[1:]] == [None, False, True, 1.5, 2, "a", "b"]
    assert backwards == found[::-1]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("SELECT * FROM c JOIN t IN c.tags", "JOIN"),
        ("SELECT * FROM c WHERE c.name LIKE 'a%'", "LIKE"),
        ("SELECT * FROM c WHERE LOWER(c.name) = 'a'", "LOWER"),
        ("SELECT * FROM c WHERE ENDSWITH(c.name, 'a')", "ENDSWITH"),
        ("SELECT * FROM c WHERE IS_NUMBER(c.n)", "IS_NUMBER"),
        ("SELECT * FROM c WHERE CONTAINS(c.name, 'a', true)", "true)"),
        ("SELECT * FROM c WHERE ARRAY_CONTAINS(c.tags, {'b': 2})", "{'b'"),
        ("SELECT * FROM c WHERE c.tags = ['x']", "['x'"),
        ("SELECT * FROM c WHERE c.tags[0] = 'x'", "[0]"),
        ("SELECT * FROM c WHERE c.name = 'it\\'s'", "it"),
        ("SELECT * FROM c WHERE c.n + 1 = 2", "+ 1"),
        ("SELECT * FROM c WHERE d.n = 1", "'d'"),
        ("SELECT * FROM c WHERE c.n = @missing", "@missing"),
        ("SELECT * FROM c WHERE c.n IN ()", "()"),
        ("SELECT * FROM c ORDER BY c.n + 1", "+ 1"),
        ("SELECT * FROM c ORDER BY c.n OFFSET 1 LIMIT 2", "OFFSET"),
        ("SELECT c.n, COUNT(1) FROM c", "COUNT"),
        ("SELECT COUNT(1) AS n FROM c", "COUNT"),
        ("SELECT VALUE AVG(c.n) FROM c", "AVG"),
        ("SELECT VALUE SUM(c.name) FROM c", "SUM"),
        ("SELECT c.kind FROM c GROUP BY c.kind", "GROUP BY"),
        ("SELECT DISTINCT c.n FROM c", "DISTINCT"),
        ("SELECT DISTINCT VALUE c.n FROM c ORDER BY c.n", "ORDER BY"),
        ("SELECT DISTINCT VALUE COUNT(c.n) FROM c", "COUNT"),
        ('SELECT VALUE {"n": c.n} FROM c', "{"),
        ("SELECT VALUE [c.n] FROM c", "["),
        ("SELECT c.n > 2 AS many FROM c", "> 2"),
        ("SELECT TOP -1 * FROM c", "TOP"),
        ("SELECT * FROM c d", "d"),
        ("SELECT * FROM c WHERE", "WHERE"),
        ("SELEKT * FROM c", "SELEKT"),
        ("SELECT * FROM c WHERE c.a = (SELECT VALUE 1)", "SELECT VALUE"),
        ("SELECT * FROM c WHERE c.a ?? 1", "??"),
        ("SELECT c.a, c.b.a FROM c", "twice"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"partition_key": "p"}])
async def test_what_is_not_supported_is_refused_by_name(
    usage: ContainerProxy, query: str, named: str, options: dict[str, Any]
) -> None:
    await fill(usage, *PEOPLE)
    status, text = await status_of(rows(usage, query, **options))
    assert (status, named in text) == (400, True), text


async def test_pages_continue_where_they_ended(usage: ContainerProxy) -> None:
    await fill(usage, *(doc(f"{i:02}", "pq"[i % 2], n=i % 3) for i in range(23)))
    cases: list[tuple[str, dict[str, Any]]] = [
        ("SELECT VALUE c.id FROM c WHERE c.n != 1", {}),
        ("SELECT VALUE c.id FROM c", {"partition_key": "p"}),
        ("SELECT VALUE c.id FROM c ORDER BY c.id DESC", {"partition_key": "q"}),
        ("SELECT TOP 7 VALUE c.id FROM c", {"partition_key": "q"}),
    ]
    for query, options in cases:
        whole = await rows(usage, query, **options)
        paged, token = [], None
        while True:
            pages: Any = usage.query_items(query, max_item_count=4, **options).by_page(token)
            page = [row async for row in await anext(pages)]
            assert len(page) <= 4
            paged += page
            token = pages.continuation_token
            if not token:
                break
        assert paged == whole
        assert len(whole) > 4


async def test_a_sorted_result_goes_on_after_a_restart(
    server: CosmosServer, usage: ContainerProxy
) -> None:
    await fill(usage, *(doc(f"{i:02}") for i in range(9)))
    query = "SELECT VALUE c.id FROM c ORDER BY c.id DESC"
    options: dict[str, Any] = {"partition_key": "p", "max_item_count": 4}
    pages: Any = usage.query_items(query, **options).by_page()
    first = [row async for row in await anext(pages)]
    await server.stop()
    await server.start()

    rest = usage.query_items(query, **options).by_page(pages.continuation_token)

    assert first + [row async for page in rest async for row in page] == [
        f"{i:02}" for i in reversed(range(9))
    ]


async def test_long_results_arrive_whole(usage: ContainerProxy) -> None:
    for start in range(0, 300, 100):
        batch = [("create", (doc(f"{i:04}", n=i),)) for i in range(start, start + 100)]
        await usage.execute_item_batch(batch, "p")
    expected = [f"{i:04}" for i in range(300)]

    assert await rows(usage, "SELECT VALUE c.id FROM c") == expected
    assert await rows(usage, "SELECT VALUE c.id FROM c ORDER BY c.n") == expected
    assert await rows(usage, "SELECT VALUE c.id FROM c ORDER BY c.n", max_item_count=70) == expected
    assert await rows(usage, "SELECT VALUE c.id FROM c", max_item_count=-1) == expected
    assert [row["id"] async for row in usage.read_all_items()] == expected


async def test_switches_without_meaning_here_are_ignored(usage: ContainerProxy) -> None:
    await fill(usage, *PEOPLE)
    found = await rows(
        usage,
        "SELECT VALUE c.id FROM c",
        populate_query_metrics=True,
        populate_index_metrics=True,
        enable_scan_in_query=True,
    )
    assert found == ["1", "2", "3", "4", "5"]


async def test_read_items_finds_what_is_there(usage: ContainerProxy, server: CosmosServer) -> None:
    await fill(usage, *PEOPLE)

    one_partition = await usage.read_items([("1", "p"), ("2", "p"), ("9", "p")])
    several = await usage.read_items([("1", "p"), ("4", "q"), ("1", "q")])
    single = await usage.read_items([("3", "q")])

    assert [item["id"] for item in one_partition] == ["1", "2"]
    assert sorted(item["id"] for item in several) == ["1", "4"]
    assert [item["id"] for item in single] == ["3"]
    assert server.counts() == {"create": 5, "query": 2, "read": 1}


async def test_large_containers_are_filtered_whole(
    server: CosmosServer, usage: ContainerProxy
) -> None:
    container = server._store.container("usage-ingest", "usage")
    sql = server._store._sql
    sql.execute("BEGIN")
    sql.executemany(
        "INSERT INTO items VALUES (?, ?, ?, ?, 'e', 0, NULL, ?)",
        (
            (
                i,
                container.key,
                f'["p{i % 50}"]',
                f"i{i}",
                orjson.dumps(doc(f"i{i}", f"p{i % 50}", n=i)),
            )
            for i in range(1, 50_001)
        ),
    )
    sql.execute("COMMIT")

    found = await rows(usage, "SELECT VALUE c.id FROM c WHERE c.n > 49990")
    inside = await rows(usage, "SELECT VALUE COUNT(1) FROM c", partition_key="p7")
    keys = [(f"i{i}", f"p{i % 50}") for i in range(1, 1001)]
    read = await usage.read_items(keys)

    assert (len(found), inside, len(read)) == (10, [1000], 1000)


def test_deeply_repeated_conditions_parse() -> None:
    query = " OR ".join(f"c.id = '{i}'" for i in range(5000))
    assert parse_query(f"{EVERYTHING} WHERE {query}", {}).where is not None


# --- faults ---


@pytest.mark.parametrize("status", [429, 449, 503, 408, 403, 500])
async def test_a_fault_answers_its_status_and_does_nothing(
    server: CosmosServer, usage: ContainerProxy, status: int
) -> None:
    await usage.read()
    server.faults.add(Fault("create", "usage", status=status, retry_after_ms=1, count=None))

    seen, _ = await status_of(usage.create_item(doc("a")))

    assert seen == status
    server.faults.clear()
    await usage.create_item(doc("a"))


async def test_a_throttled_request_says_when_to_come_back(
    server: CosmosServer, usage: ContainerProxy
) -> None:
    server.faults.add(Fault(status=429, retry_after_ms=1234, substatus=3200, count=None))

    with pytest.raises(CosmosHttpResponseError) as caught:
        await usage.create_item(doc("a"))

    assert caught.value.headers["x-ms-retry-after-ms"] == "1234"
    assert caught.value.sub_status == 3200
    assert {served.status for served in server.requests} == {429}


async def test_skip_and_count_choose_the_requests(
    server: CosmosServer, usage: ContainerProxy
) -> None:
    server.faults.add(Fault("create", skip=1, count=2, status=449))
    outcomes = []
    for name in "abcd":
        try:
            await usage.create_item(doc(name))
        except CosmosHttpResponseError as error:
            outcomes.append(error.status_code)
        else:
            outcomes.append(201)
    assert outcomes == [201, 449, 449, 201]
    assert await rows(usage, "SELECT VALUE c.id FROM c") == ["a", "d"]
    assert server.counts() == {"create": 4, "query": 1}


async def test_a_fault_can_be_for_another_container_or_operation(
    server: CosmosServer, usage: ContainerProxy
) -> None:
    server.faults.add(Fault("create", "letters", status=500))
    server.faults.add(Fault("query", status=449))

    await usage.create_item(doc("a"))
    await usage.read_item("a", "p")

    status, _ = await status_of(rows(usage, "SELECT * FROM c"))
    assert status == 449


@pytest.mark.parametrize("status", [429, 449, 409])
async def test_a_fault_inside_a_batch_commits_nothing(
    server: CosmosServer, usage: ContainerProxy, status: int
) -> None:
    server.faults.add(Fault(inside=status, inside_index=1))
    batch = [("create", (doc(name),)) for name in "abc"]

    with pytest.raises(CosmosBatchOperationError) as caught:
        await usage.execute_item_batch(batch, "p")

    codes = [answer["statusCode"] for answer in caught.value.operation_responses]
    assert codes == [424, status, 424]
    assert await rows(usage, "SELECT * FROM c") == []
    assert len(await usage.execute_item_batch(batch, "p")) == 3


async def test_latency_delays_and_then_serves(server: CosmosServer, usage: ContainerProxy) -> None:
    await usage.read()
    server.faults.add(Fault("create", latency_seconds=0.2))
    started = time.perf_counter()

    await usage.create_item(doc("a"))

    assert time.perf_counter() - started >= 0.2


async def test_a_reset_connection_has_done_nothing(server: CosmosServer) -> None:
    async with connect(server, retry_connect=0) as usage:
        await usage.read()
        server.faults.add(Fault("create", reset=True))

        with pytest.raises(ServiceRequestError):
            await usage.create_item(doc("a"))

        assert await rows(usage, "SELECT * FROM c") == []


async def test_a_lost_answer_was_committed(server: CosmosServer) -> None:
    async with connect(server, retry_connect=0) as usage:
        await usage.read()
        server.faults.add(Fault("batch", lost_answer=True))
        increment = [{"op": "incr", "path": "/n", "value": 1}]

        with pytest.raises(ServiceRequestError):
            await usage.execute_item_batch(
                [("create", (doc("a"),)), ("patch", ("a", increment))], "p"
            )

        assert (await usage.read_item("a", "p"))["n"] == 1
        assert [served.status for served in server.requests] == [0, 200]


async def test_the_sdk_repeats_a_lost_write_by_itself(
    server: CosmosServer, usage: ContainerProxy
) -> None:
    """Unless retry_connect is 0: a create is then a 409, and a lone increment counts twice."""
    await fill(usage, doc("counter", n=0))
    server.faults.add(Fault("create", lost_answer=True))
    server.faults.add(Fault("patch", lost_answer=True))

    with pytest.raises(CosmosResourceExistsError):
        await usage.create_item(doc("a"))
    patched = await usage.patch_item("counter", "p", [{"op": "incr", "path": "/n", "value": 1}])

    assert patched["n"] == 2


async def test_faults_are_set_listed_and_cleared_over_http(
    server: CosmosServer, usage: ContainerProxy
) -> None:
    url = f"{server.endpoint}/_local/faults"
    async with aiohttp.ClientSession() as http:
        async with http.post(url, json={"operation": "read", "status": 449}) as answer:
            assert answer.status == 200
        status, _ = await status_of(usage.read_item("a", "p"))
        assert status == 449
        async with http.get(url) as answer:
            (listed,) = (await answer.json())["faults"]
            assert (listed["status"], listed["seen"]) == (449, 1)
        async with http.delete(url) as answer:
            assert await answer.json() == {"faults": []}
        wrongs: list[Any] = [{"status": 429, "reset": True}, {"stauts": 1}, {}, []]
        for wrong in [*wrongs, {"operation": "x", "status": 429}]:
            async with http.post(url, json=wrong) as answer:
                assert answer.status == 400, wrong
