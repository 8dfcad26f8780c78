"""The parameters of an endpoint: from its signature, out of each request, checked by pydantic."""

import inspect
import json
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tradebotd.control.wire import adapter_of

Place = Literal["path", "query", "body"]
Fault = Mapping[str, Any]  # `loc` and `msg`, as pydantic has them

_NOTHING: Final = inspect.Parameter.empty


class RequestValidationError(Exception):
    """A request that does not fit; every fault with its place: ("query", "limit")."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("the request does not fit")
        self._faults = faults

    def errors(self) -> list[Fault]:
        return self._faults


class Parameter(NamedTuple):
    """One value that a request brings. `default`: `inspect.Parameter.empty` where it must."""

    name: str
    place: Place
    adapter: TypeAdapter[Any]
    default: Any

    @property
    def required(self) -> bool:
        return self.default is _NOTHING

    def read(self, given: Any, faults: list[Fault]) -> Any:
        """*given* is `empty`, too, where there is nothing. What is wrong is added to *faults*."""
        place: tuple[Any, ...] = (self.place,)
        if self.place != "body":
            place = (self.place, self.name)
        if given is _NOTHING:
            if self.required:
                faults.append({"loc": place, "msg": "Field required"})
            return self.default
        try:
            return self.adapter.validate_python(given, from_attributes=True)
        except ValidationError as error:
            faults += [
                {"loc": (*place, *each["loc"]), "msg": each["msg"]}
                for each in error.errors(include_url=False)
            ]
            return None


class Signature:
    """The arguments of a function: a request's parameters, itself, or the head of its answer."""

    def __init__(self, function: Callable[..., Any], path_names: frozenset[str]) -> None:
        self.parameters: list[Parameter] = []
        self._request: str | None = None
        self._response: str | None = None
        for name, parameter in inspect.signature(function).parameters.items():
            annotation = parameter.annotation
            if annotation is Request:
                self._request = name
            elif annotation is Response:
                self._response = name
            else:
                place = _place(name, annotation, path_names)
                self.parameters.append(
                    Parameter(name, place, adapter_of(annotation), parameter.default)
                )

    @property
    def body(self) -> Parameter | None:
        return next((each for each in self.parameters if each.place == "body"), None)

    async def read(self, request: Request, head: Response) -> dict[str, Any]:
        """The arguments of a call. Raises RequestValidationError with every fault."""
        body = await _body(request) if self.body is not None else _NOTHING
        given: dict[Place, Mapping[str, Any]] = {
            "path": request.path_params,
            "query": request.query_params,
        }
        faults: list[Fault] = []
        arguments = {
            each.name: each.read(
                body if each.place == "body" else given[each.place].get(each.name, _NOTHING),
                faults,
            )
            for each in self.parameters
        }
        if faults:
            raise RequestValidationError(faults)
        if self._request is not None:
            arguments[self._request] = request
        if self._response is not None:
            arguments[self._response] = head
        return arguments


def _place(name: str, annotation: Any, path_names: frozenset[str]) -> Place:
    if name in path_names:
        return "path"
    union = get_origin(annotation) in {Union, UnionType}
    members = get_args(annotation) if union else (annotation,)
    is_model = any(isinstance(each, type) and issubclass(each, BaseModel) for each in members)
    return "body" if is_model else "query"


async def _body(request: Request) -> Any:
    """`empty` where there is none. What is not declared as JSON is bytes, which fit no model."""
    try:
        content = await request.body()
    except ClientDisconnect as error:
        raise HTTPException(400) from error  # nobody is there to read it
    if not content:
        return _NOTHING
    if not _is_json(request.headers.get("content-type")):
        return content
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        place = error.pos
    except (ValueError, RecursionError):  # no UTF-8, an endless number, endless nesting
        place = 0
    raise RequestValidationError([{"loc": ("body", place), "msg": "JSON decode error"}])


def _is_json(content_type: str | None) -> bool:
    if content_type is None:
        return False
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
