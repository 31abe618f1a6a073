"""The Retail Prices API over a server of this machine."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from usage_ingest.adapters.retail_prices import ENDPOINT, MOST_PAGES, RetailPrices
from usage_ingest.errors import ConfigError, TransientError

Answer = Callable[[web.Request], web.Response]


@dataclass
class Prices:
    """A service that answers what a test says, and keeps what it was asked."""

    endpoint: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        chosen = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return chosen(request)

    def fetcher(self, patience_seconds: float = 5.0) -> RetailPrices:
        return RetailPrices(self.endpoint, patience_seconds)

    async def pages(self, patience_seconds: float = 5.0) -> list[Any]:
        fetcher = self.fetcher(patience_seconds)
        return list(await fetcher.pages(["Foundry Models"], None, "USD"))


@pytest.fixture
async def prices() -> AsyncIterator[Prices]:
    made = Prices()
    app = web.Application()
    app.router.add_get("/api/retail/prices", made.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        made.endpoint = str(server.make_url("/api/retail/prices"))
        yield made


def page(text: str = "[]", following: str = "null") -> Answer:
    body = f'{{"Items": {text}, "NextPageLink": {following}}}'
    return lambda _: web.Response(text=body, content_type="application/json")


def status(code: int, **headers: str) -> Answer:
    return lambda _: web.Response(
        status=code,
        text="told why",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


async def test_pages_are_followed_to_the_last(prices: Prices) -> None:
    following = f'"{prices.endpoint}?$skip=1000"'
    prices.answers = [page('[{"retailPrice": 0.1}]', following), page('[{"retailPrice": 2}]')]

    found = await prices.pages()

    assert [each["Items"] for each in found] == [
        [{"retailPrice": Decimal("0.1")}],
        [{"retailPrice": 2}],
    ]
    assert isinstance(found[0]["Items"][0]["retailPrice"], Decimal)
    assert prices.asked[1] == {"$skip": "1000"}


async def test_what_is_asked_for_is_in_the_filter(prices: Prices) -> None:
    prices.answers = [page()]

    await prices.fetcher().pages(["Foundry Models", "O'Brien's"], "swedencentral", "EUR")

    first, second = prices.asked
    assert first == {
        "api-version": "2023-01-01-preview",
        "currencyCode": "'EUR'",
        "$filter": "serviceName eq 'Foundry Models' and priceType eq 'Consumption' "
        "and armRegionName eq 'swedencentral'",
    }
    assert second["$filter"].startswith("serviceName eq 'O''Brien''s' and ")


async def test_a_busy_service_is_asked_again_after_the_time_it_says(prices: Prices) -> None:
    prices.answers = [status(429, Retry_After="0"), status(503), page()]

    assert len(await prices.pages()) == 1
    assert len(prices.asked) == 3


async def test_a_service_that_stays_busy_is_given_up(prices: Prices) -> None:
    prices.answers = [status(429, Retry_After="60")]

    with pytest.raises(TransientError, match=r"is busy or out of reach: .*429"):
        await prices.pages(patience_seconds=1.0)

    assert len(prices.asked) == 1


async def test_a_service_that_cannot_be_reached_is_told() -> None:
    with pytest.raises(TransientError, match="The Retail Prices API is busy or out of reach"):
        await RetailPrices("http://127.0.0.1:9/", 0.01).pages(["Foundry Models"], None, "USD")


@pytest.mark.parametrize(
    "link",
    [
        "http://169.254.169.254/metadata",
        "https://prices.azure.com.example.net/api",
        "https://127.0.0.1/api/retail/prices",
        "/api/retail/prices?$skip=1",
    ],
)
async def test_a_link_to_another_place_is_not_followed(prices: Prices, link: str) -> None:
    prices.answers = [page("[]", f'"{link}"')]

    with pytest.raises(TransientError, match="links to another place"):
        await prices.pages()

    assert len(prices.asked) == 1


@pytest.mark.parametrize("link", ["http://[", "https://prices.azure.com:99999/"])
async def test_a_link_that_is_no_address_is_told(prices: Prices, link: str) -> None:
    prices.answers = [page("[]", f'"{link}"')]

    with pytest.raises(TransientError, match="links to no address"):
        await prices.pages()


async def test_a_redirect_is_not_followed(prices: Prices) -> None:
    prices.answers = [status(302, Location="http://127.0.0.1:9/")]

    with pytest.raises(ConfigError, match="answers 302"):
        await prices.pages()


async def test_a_refusal_is_told_in_the_services_words(prices: Prices) -> None:
    prices.answers = [status(400)]

    with pytest.raises(ConfigError, match="the Retail Prices API answers 400: told why"):
        await prices.pages()


@pytest.mark.parametrize("text", ["<html>", '{"Items": {}}', "[]", '{"Count": 0}'])
async def test_an_answer_that_is_no_page_is_told(prices: Prices, text: str) -> None:
    prices.answers = [lambda _: web.Response(text=text)]

    with pytest.raises(TransientError, match="the Retail Prices API answers"):
        await prices.pages()


async def test_pages_without_end_are_given_up(prices: Prices) -> None:
    prices.answers = [page("[]", f'"{prices.endpoint}?$skip=1"')]

    with pytest.raises(ConfigError, match=f"above {MOST_PAGES} pages"):
        await prices.pages()

    assert len(prices.asked) == MOST_PAGES


@pytest.mark.parametrize(
    "endpoint",
    ["https://example.com/api/retail/prices", "http://prices.azure.com/", "https://127.0.0.1/"],
)
def test_prices_are_fetched_from_microsoft_or_this_machine_only(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"from https://prices\.azure\.com only"):
        RetailPrices(endpoint)


def test_the_services_own_links_name_its_port() -> None:
    """`https://prices.azure.com:443/...` is the same place."""
    fetcher = RetailPrices(ENDPOINT)

    link = fetcher.following({"NextPageLink": "https://prices.azure.com:443/api?$skip=100"})

    assert link is not None
    assert link.query == {"$skip": "100"}
