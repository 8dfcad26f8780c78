"""Endpoints as plain functions with types, over Starlette: checked going in and coming out.

A hundredth of what FastAPI does, by the same words: FastAPI's own import was a fifth of the
daemon's start, most of it models of OpenAPI that are built each time.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, TypeVar

import structlog
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tradebotd.control.errors import refuse
from tradebotd.control.openapi import Operation, describe
from tradebotd.control.parameters import Signature
from tradebotd.control.wire import ErrorAnswer, ErrorDetail, adapter_of

NOW_HEADER: Final = "tradebotd-now"  # what relative times in tables are relative to
CLOCK_HEADER: Final = "tradebotd-clock"  # market | wall: whether host times stand beside others
DESCRIPTION_PATH: Final = "/v1/openapi.json"

_PATH_NAME: Final = re.compile(r"{(\w+)(?::\w+)?}")

Function = Callable[..., Awaitable[Any]]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`answer`: what it returns besides a Response of its own; None: nothing else."""

    path: str
    methods: tuple[str, ...]
    function: Function
    signature: Signature
    answer: TypeAdapter[Any] | None
    in_description: bool

    async def call(self, request: Request, headers: Callable[[], Mapping[str, str]]) -> Response:
        head = Response()
        told = dict(headers())
        said = await self.function(**await self.signature.read(request, head))
        if isinstance(said, Response):
            return said
        if self.answer is None:
            raise TypeError(f"{self.path} returned a {type(said).__name__}, not a Response")
        content = self.answer.dump_json(self.answer.validate_python(said, from_attributes=True))
        return Response(content, head.status_code, told, media_type="application/json")

    def operation(self, method: str) -> Operation:
        return Operation(
            path=_PATH_NAME.sub(r"{\1}", self.path),
            method=method.lower(),
            name=self.function.__name__,
            words=(self.function.__doc__ or "").strip(),
            parameters=self.signature.parameters,
            answer=self.answer,
        )


class APIRouter:
    """Endpoints that go below a prefix together."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []

    def get(self, path: str) -> Callable[[F], F]:
        return self.api_route(path, methods=["GET"])

    def post(self, path: str, *, response_model: Any = None) -> Callable[[F], F]:
        """*response_model*: where the function may also answer with a stream of its own."""
        return self.api_route(path, methods=["POST"], response_model=response_model)

    def api_route(
        self,
        path: str,
        *,
        methods: Sequence[str],
        response_model: Any = None,
        include_in_schema: bool = True,
    ) -> Callable[[F], F]:
        def add(function: F) -> F:
            answer = response_model or function.__annotations__["return"]
            is_response = isinstance(answer, type) and issubclass(answer, Response)
            self.add(
                Endpoint(
                    path=path,
                    methods=tuple(methods),
                    function=function,
                    signature=Signature(function, frozenset(_PATH_NAME.findall(path))),
                    answer=None if is_response else adapter_of(answer),
                    in_description=include_in_schema,
                )
            )
            return function

        return add

    def add(self, endpoint: Endpoint) -> None:
        self.endpoints.append(endpoint)


class Api(APIRouter):
    """An ASGI application; the path that no endpoint has is refused in the shape of errors.

    An error becomes an answer, and what is done carries the name of who asked for it. *headers*: of
    each answer that is no error, as they are when it is asked for.
    """

    def __init__(
        self, *, title: str, version: str, headers: Callable[[], Mapping[str, str]]
    ) -> None:
        super().__init__()
        self.asgi = Starlette(exception_handlers={HTTPException: _no_such_path})
        self._title, self._version, self._headers = title, version, headers
        self._description: JSONResponse | None = None
        self.asgi.router.routes.append(Route(DESCRIPTION_PATH, self._describe))

    def include_router(self, router: APIRouter, prefix: str = "") -> None:
        for each in router.endpoints:
            self.add(replace(each, path=prefix + each.path))

    def add(self, endpoint: Endpoint) -> None:
        super().add(endpoint)

        async def guarded(request: Request) -> Response:
            with structlog.contextvars.bound_contextvars(by=_asker(request)):
                try:
                    return await endpoint.call(request, self._headers)
                except HTTPException:
                    raise
                except Exception as error:  # noqa: BLE001 - the edge: an operator gets an answer
                    return refuse(error)

        self.asgi.router.routes.append(_route(endpoint.path, endpoint.methods, guarded))

    def description(self) -> dict[str, Any]:
        """OpenAPI 3.1."""
        operations = [
            each.operation(method)
            for each in self.endpoints
            if each.in_description
            for method in each.methods
        ]
        return describe(self._title, self._version, operations)

    async def _describe(self, _: Request) -> Response:
        if self._description is None:  # 30 ms: no endpoint is added while it serves
            self._description = JSONResponse(self.description())
        return self._description


def _route(
    path: str, methods: Sequence[str], function: Callable[[Request], Awaitable[Response]]
) -> Route:
    route = Route(path, function, methods=list(methods))
    route.methods = set(methods)  # Starlette adds HEAD
    return route


def _asker(request: Request) -> str:
    """Return who sent the request; every log line of the request carries it."""
    asker = request.client
    return "somebody" if asker is None else f"{asker.host}, pid {asker.port}"


async def _no_such_path(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
    detail = ErrorDetail(
        code="unknown_path",
        message=f"{request.method} {request.url.path} is not part of this API",
        hint=f"GET {DESCRIPTION_PATH} lists it",
    )
    return JSONResponse(ErrorAnswer(error=detail).model_dump(mode="json"), status)
