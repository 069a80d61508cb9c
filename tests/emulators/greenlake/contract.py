"""The published structure: requests that do not fit it are refused, answers of the emulator that do not fit it are a defect of ours."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator

STRUCTURE = Path(__file__).with_name("openapi.json")
_JSON = "application/json"


class Contract:
    """Schemas by operation: method and path template."""

    @cached_property
    def document(self) -> dict[str, Any]:
        """Whole OpenAPI document."""
        found: dict[str, Any] = json.loads(STRUCTURE.read_text(encoding="utf-8"))
        return found

    def request_problem(self, method: str, template: str, body: object) -> str:
        """Return why a body does not fit, "" if it does; a property that the schema does not name is a typing error of the caller."""
        schema = self._content(self._operation(method, template).get("requestBody", {}))
        if schema is None:
            return "" if body is None else "no body is expected"
        unknown = set(body) - set(self._resolved(schema).get("properties", {})) if isinstance(body, Mapping) else set()
        if unknown:
            return f"unknown properties: {', '.join(sorted(unknown))}"
        return self._problem(schema, body)

    def answer_problem(self, method: str, template: str, status: int, body: object) -> str:
        """Return why an answer is not one that the API promises, "" if it is."""
        responses = self._operation(method, template)["responses"]
        schema = self._content(responses.get(str(status), responses["default"]))
        return "" if schema is None else self._problem(schema, body)

    def _operation(self, method: str, template: str) -> dict[str, Any]:
        found: dict[str, Any] = self.document["paths"][template][method.lower()]
        return found

    def _content(self, part: Mapping[str, Any]) -> dict[str, Any] | None:
        schema: dict[str, Any] | None = part.get("content", {}).get(_JSON, {}).get("schema")
        return schema

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        found: Mapping[str, Any] = self.document["components"]["schemas"][name] if name else schema
        return found

    def _problem(self, schema: Mapping[str, Any], body: object) -> str:
        whole = {**schema, "components": self.document["components"]} if "$ref" not in schema else self._with_reference(schema)
        first = next(iter(OAS30Validator(whole).iter_errors(body)), None)
        return "" if first is None else f"{'/'.join(map(str, first.absolute_path)) or 'body'}: {first.message}"

    def _with_reference(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        return {"allOf": [dict(schema)], "components": self.document["components"]}
