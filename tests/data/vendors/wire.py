"""Payloads built with the vendors' own model classes: a misspelt or missing field fails here.

What comes back is what the class dumps, in the order in which it was written down.
"""

from collections.abc import Iterator
from inspect import get_annotations
from typing import Any, Union, get_args, get_origin

import orjson
from azure.ai.inference._model_base import Model as AzureModel
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.validate import ParamValidator
from pydantic import BaseModel

Json = dict[str, Any]


class UnlikeTheWireError(Exception):
    """A payload is not what its vendor's class says."""


def built(model: type[BaseModel], fields: Json) -> Json:
    """Build a model of the openai, anthropic or google-genai SDK and return it as JSON.

    Raises:
        UnlikeTheWireError: A field is unknown to the class, or the class changes it.
        ValidationError: A field is missing or of another type.
    """
    made = model.model_validate_json(orjson.dumps(fields), strict=True)
    unknown = sorted(_unknown(made, model.__name__))
    if unknown:
        raise UnlikeTheWireError(f"no such fields: {', '.join(unknown)}")
    dumped = made.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if dumped != fields:
        raise UnlikeTheWireError(f"{model.__name__} makes {dumped} of {fields}")
    return fields


def _unknown(value: object, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name}" for name in value.model_extra or {})
        for name in value.model_fields_set:
            yield from _unknown(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from _unknown(each, path)


def built_for_azure(model: type[AzureModel], fields: Json) -> Json:
    """Build a model of azure-ai-inference, whose classes check nothing themselves.

    Raises:
        UnlikeTheWireError: A field is missing, unknown to the class or changed by it.
    """
    made = model(fields)
    _check_azure(made, model.__name__)
    if made.as_dict() != fields:
        raise UnlikeTheWireError(f"{model.__name__} makes {made.as_dict()} of {fields}")
    return fields


def _check_azure(made: AzureModel, path: str) -> None:
    names = {attr: each._rest_name for attr, each in made._attr_to_rest_field.items()}
    hints = {name: hint for of in type(made).__mro__ for name, hint in get_annotations(of).items()}
    missing = {
        name for attr, name in names.items() if name not in made and not _is_optional(hints[attr])
    }
    unknown = made.keys() - set(names.values())
    if missing or unknown:
        raise UnlikeTheWireError(f"{path}: {missing} are missing, {unknown} are unknown")
    for attr, name in names.items():
        value, hint = getattr(made, attr), hints[attr]
        if hint in (int, str, float) and type(made[name]) is not hint:
            raise UnlikeTheWireError(f"{path}.{name} is no {hint.__name__}")
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, AzureModel):
                _check_azure(each, f"{path}.{attr}")


def _is_optional(hint: object) -> bool:
    return get_origin(hint) is Union and type(None) in get_args(hint)


class Bedrock:
    """The shapes of Bedrock's own service model, which botocore ships as JSON."""

    def __init__(self) -> None:
        self._model = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
        self._parser = create_parser("rest-json")

    def shape(self, name: str) -> Shape:
        """Return a shape by its name."""
        return self._model.shape_for(name)

    def built(self, name: str, fields: Json) -> Json:
        """Check a structure against its shape, and what botocore's parser makes of it.

        Raises:
            UnlikeTheWireError: A field is missing, unknown or of another type.
        """
        shape = self.shape(name)
        wrong = ParamValidator().validate(fields, shape)
        if wrong.has_errors():
            raise UnlikeTheWireError(f"{name}: {wrong.generate_report()}")
        if isinstance(shape, StructureShape) and self._parsed(shape, fields) != fields:
            raise UnlikeTheWireError(f"botocore makes {self._parsed(shape, fields)} of {fields}")
        return fields

    def _parsed(self, shape: StructureShape, fields: Json) -> Json:
        answer = {"status_code": 200, "headers": {}, "body": orjson.dumps(fields)}
        parsed: Json = self._parser.parse(answer, shape)
        del parsed["ResponseMetadata"]
        return parsed
