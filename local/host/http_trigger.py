"""HTTP trigger: the routes on 127.0.0.1. Keys are not checked, as in Core Tools on this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aiohttp import web
from azure.functions.http import HttpRequestConverter, HttpResponseConverter
from azure.functions.meta import Datum

from local.host.bindings import HttpBinding
from local.host.indexing import HostError
from local.host.invocation import log_failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import azure.functions as func
    from multidict import MultiMapping

    from local.host.bindings import IndexedFunction
    from local.host.invocation import Invoker

_LONGEST_BODY = 100 * 1024 * 1024


class HttpServer:
    """Serves every HTTP function of the app."""

    def __init__(self, functions: Iterable[IndexedFunction], prefix: str, invoker: Invoker) -> None:
        self._app = web.Application(client_max_size=_LONGEST_BODY)
        self._invoker = invoker
        self._runner: web.AppRunner | None = None
        for function in functions:
            if isinstance(function.trigger, HttpBinding):
                path = "/" + "/".join(
                    filter(None, (prefix, _aiohttp_route(function.trigger.route)))
                )
                for method in function.trigger.methods or ("*",):
                    self._app.router.add_route(method, path, self._endpoint(function))

    async def start(self, port: int, stop_seconds: float) -> int:
        """Listen, and return the port, which differs from the given one where that is 0."""
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=stop_seconds)
        await runner.setup()
        self._runner = runner
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as error:
            await self.stop()
            raise HostError(
                f"HTTP port {port} cannot be opened ({error.strerror}):"
                " stop what listens there, or choose another port"
            ) from error
        return int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port; requests under way may end."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _endpoint(
        self, function: IndexedFunction
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            try:
                result = await self._invoker.invoke(function, lambda: _request(request, body))
                return _response(result)
            except Exception as error:  # noqa: BLE001 - a function may raise anything
                log_failure(function, error)
                return web.Response(status=500)

        return answer


def _aiohttp_route(route: str) -> str:
    """`{name}` is the same in both; `{*rest}` takes the rest of the path."""
    route = re.sub(r"\{\*(\w+)\}", r"{\1:.*}", route)
    if re.search(r"\{\w*(\?|:(?!\.\*\}))", route):
        raise HostError(f"route {route!r}: constraints and optional parameters are not supported")
    return route


def _request(request: web.Request, body: bytes) -> func.HttpRequest:
    parts = {
        "method": Datum(request.method, "string"),
        "url": Datum(str(request.url), "string"),
        "headers": _strings(_joined(request.headers)),
        "query": _strings({name: value for name, value in _joined(request.query).items() if value}),
        "params": _strings(dict(request.match_info)),
        "body": Datum(body, "bytes"),
    }
    decoded: func.HttpRequest = HttpRequestConverter.decode(
        Datum(parts, "http"), trigger_metadata={}
    )
    return decoded


def _joined(values: MultiMapping[str]) -> dict[str, str]:
    """Repeated names reach the function as one value with commas."""
    return {name: ",".join(values.getall(name)) for name in values}


def _strings(values: dict[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in values.items()}


def _response(result: Any) -> web.Response:
    encoded = HttpResponseConverter.encode(result, expected_type=None)
    if encoded.type == "string":
        return web.Response(text=encoded.value)
    parts = encoded.value
    response = web.Response(
        status=int(parts["status_code"].value),
        headers={name: header.value for name, header in parts["headers"].items()},
        body=parts["body"].value,
    )
    for cookie in parts["cookies"] or ():
        for morsel in cookie.values():
            response.headers.add("Set-Cookie", morsel.OutputString())
    return response
