"""HTTP trigger: the routes on 127.0.0.1. Keys are not checked, as in Core Tools on this machine."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import azure.functions as func
from aiohttp import web
from azure.functions.http import HttpResponseConverter
from multidict import MultiMapping

from local.host.indexing import HttpBinding, IndexedFunction
from local.host.invocation import Invoker, log_failure

_MAX_BYTES = 100 * 1024 * 1024  # as the real host


class HttpServer:
    """Serves every HTTP function of the app."""

    def __init__(self, functions: Iterable[IndexedFunction], prefix: str, invoker: Invoker) -> None:
        self._app = web.Application(client_max_size=_MAX_BYTES)
        self._invoker = invoker
        for function in functions:
            if isinstance(function.trigger, HttpBinding):
                path = "/" + f"{prefix}/{function.trigger.route}".strip("/")
                for method in function.trigger.methods or ("*",):
                    self._app.router.add_route(method, path, partial(self._answer, function))

    async def start(self, port: int, stop_seconds: float) -> int:
        """Listen, and return the port, which differs from the given one where that is 0."""
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=stop_seconds)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port; requests under way may end."""
        await self._runner.cleanup()

    async def _answer(self, function: IndexedFunction, request: web.Request) -> web.Response:
        argument = _request(request, await request.read())
        try:
            return _response(await self._invoker.invoke(function, lambda: argument))
        except Exception as error:  # noqa: BLE001 - a function may raise anything
            log_failure(function, error)
            return web.Response(status=500)


def _request(request: web.Request, body: bytes) -> func.HttpRequest:
    query = _joined(request.query)
    return func.HttpRequest(
        request.method,
        str(request.url),
        headers=_joined(request.headers),
        params={name: value for name, value in query.items() if value},  # as the real host does
        route_params=dict(request.match_info),
        body=body,
    )


def _joined(values: MultiMapping[str]) -> dict[str, str]:
    """Repeated names reach the function as one value with commas."""
    return {name: ",".join(values.getall(name)) for name in values}


def _response(result: Any) -> web.Response:
    parts = HttpResponseConverter.encode(result, expected_type=None).value
    return web.Response(
        status=int(parts["status_code"].value),
        headers={name: header.value for name, header in parts["headers"].items()},
        body=parts["body"].value,
    )
