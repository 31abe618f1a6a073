"""The Azure Retail Prices API: public prices, page by page, without credentials.

https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp
from yarl import URL

from usage_ingest.adapters.patience import Patience
from usage_ingest.chargeback.imports.json_tree import json_trees
from usage_ingest.errors import ConfigError, TransientError

ENDPOINT: Final = "https://prices.azure.com/api/retail/prices"
SERVICES: Final = ("Foundry Models", "Cognitive Services")
"""What the models' prices are listed under: since 2026 the first, before that the second."""
MOST_PAGES: Final = 200
_VERSION: Final = "2023-01-01-preview"
_OK: Final = 200
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NEXT: Final = "NextPageLink"
_LONGEST_WAIT: Final = 300.0
_REQUEST: Final = aiohttp.ClientTimeout(total=60)


class NoAnswerError(OSError):
    """The service asks to wait, or cannot be reached."""

    def __init__(self, text: str, seconds: float = 0.0) -> None:
        super().__init__(text)
        self.seconds = seconds


def _wait_told(error: Exception) -> float:
    return getattr(error, "seconds", 0.0)


class RetailPrices:
    """Fetches prices; nothing is asked before `pages` is."""

    def __init__(self, endpoint: str = ENDPOINT, patience_seconds: float = 60.0) -> None:
        """Keep where to ask.

        Raises:
            ConfigError: It is neither Microsoft's service nor a stand-in on this machine.
        """
        self._endpoint = URL(endpoint)
        is_local = self._endpoint.scheme == "http" and self._endpoint.host in _LOCAL
        if _place(self._endpoint) != _place(URL(ENDPOINT)) and not is_local:
            raise ConfigError(f"prices are fetched from {URL(ENDPOINT).origin()} only")
        self._patience = Patience("The Retail Prices API", _wait_told, patience_seconds)

    async def pages(
        self, services: Sequence[str], region: str | None, currency: str
    ) -> list[Mapping[str, Any]]:
        """Return all pages of the services' prices.

        Args:
            services: Values of `serviceName`.
            region: An `armRegionName`, or None for all.
            currency: Three letters; only USD is the vendor's own, others are converted by it.

        Raises:
            TransientError: The service is busy or out of reach, or answers what nobody expects.
            ConfigError: It refuses what is asked.
        """
        found = list[Mapping[str, Any]]()
        async with aiohttp.ClientSession(timeout=_REQUEST, trust_env=True) as session:
            for service in services:
                link: URL | None = self._first(service, region, currency)
                while link is not None:
                    if len(found) == MOST_PAGES:
                        raise ConfigError(f"above {MOST_PAGES} pages of prices: name a region")
                    page = await self._page(session, link)
                    found.append(page)
                    link = self.following(page)
        return found

    def _first(self, service: str, region: str | None, currency: str) -> URL:
        conditions = [_equals("serviceName", service), _equals("priceType", "Consumption")]
        if region is not None:
            conditions.append(_equals("armRegionName", region))
        return self._endpoint.with_query(
            {
                "api-version": _VERSION,
                "currencyCode": f"'{currency}'",
                "$filter": " and ".join(conditions),
            }
        )

    def following(self, page: Mapping[str, Any]) -> URL | None:
        """Return the next page's address, or None after the last.

        Raises:
            TransientError: The link leads to another place: it is not followed.
        """
        if not page.get(_NEXT):
            return None
        try:
            link = URL(str(page[_NEXT]))
        except ValueError as error:
            raise TransientError(f"the Retail Prices API links to no address: {error}") from error
        if _place(link) != _place(self._endpoint):
            raise TransientError(f"the Retail Prices API links to another place: {link.host}")
        return link

    async def _page(self, session: aiohttp.ClientSession, link: URL) -> Mapping[str, Any]:
        text = await self._patience.call(lambda: _text(session, link))
        try:
            page = json_trees(text)[0]
        except ValueError as error:
            raise TransientError(f"the Retail Prices API answers no JSON: {error}") from error
        if not isinstance(page, dict) or not isinstance(page.get("Items"), list):
            raise TransientError("the Retail Prices API answers without a list of Items")
        return page


def _place(url: URL) -> tuple[str, str | None, int | None]:
    """Return what makes an origin; a port that goes without saying is told."""
    return url.scheme, url.host, url.port


async def _text(session: aiohttp.ClientSession, link: URL) -> str:
    try:
        async with session.get(link, allow_redirects=False) as answer:
            if answer.status in _BUSY:
                raise NoAnswerError(f"{answer.status}", _seconds(answer.headers.get("Retry-After")))
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NoAnswerError(str(error) or "it did not answer in time") from error
    if answer.status != _OK:
        raise ConfigError(f"the Retail Prices API answers {answer.status}: {text[:300]}")
    return text


def _seconds(told: str | None) -> float:
    """Read Retry-After; a date is not waited for, and no wait is longer than a few minutes."""
    return min(float(told), _LONGEST_WAIT) if told is not None and told.isdecimal() else 0.0


def _equals(name: str, value: str) -> str:
    quoted = value.replace("'", "''")
    return f"{name} eq '{quoted}'"
