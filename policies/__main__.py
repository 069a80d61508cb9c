"""The rules as a Pulumi policy pack: pulumi preview --policy-pack policies.

Runs in a virtual environment of its own (policies/requirements.lock): pulumi-policy wants another protobuf than the rest.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi_policy as pack
from pulumi_policy.proxy import UnknownValueError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.rules import RULES, Rule
from policies.subject import Context, Subject, context_of

_UNKNOWN = "<known after pulumi up>"


_BOOLEAN = {"type": "boolean"}
_HOSTS = {"type": "array", "items": {"type": "string"}}
_SCHEMA = pack.PolicyConfigSchema({"production": _BOOLEAN, "throwaway": _BOOLEAN, "allowed_hosts": _HOSTS})


def _context(urn: str, chosen: Mapping[str, Any]) -> Context:
    """By the stack's name in a URN, since the engine gives a policy pack in Python no more; --policy-pack-config says otherwise."""
    return replace(context_of(urn.split(":")[2]), **chosen)


def _subject(resource: pack.ResourceValidationArgs | pack.PolicyResource) -> Subject:
    content = _plain(resource.props)
    name = str(content.get("metadata", {}).get("name", resource.name))
    kind = content.get("kind", resource.resource_type.rpartition(":")[2])
    return Subject(kind=str(kind), name=name, content=content, protect=resource.opts.protect)


def _plain(value: object) -> Any:  # noqa: ANN401  plain data of any shape
    """Take what is known out of Pulumi's guard around it, which raises at the first look at what is not."""
    if isinstance(value, Mapping):
        return {key: _at(value, key) for key in value}
    if isinstance(value, list | tuple):
        return [_at(value, number) for number in range(len(value))]
    return value


def _at(group: Any, place: str | int) -> Any:  # noqa: ANN401  as above
    try:
        return _plain(group[place])
    except UnknownValueError:
        return _UNKNOWN


def _policy(rule: Rule) -> pack.ResourceValidationPolicy | pack.StackValidationPolicy:
    def each(args: pack.ResourceValidationArgs, report: pack.ReportViolation) -> None:
        for violation in rule.judge([_subject(args)], _context(args.urn, args.get_config())):
            report(f"{violation.subject.label}: {violation.text}", None)

    def together(args: pack.StackValidationArgs, report: pack.ReportViolation) -> None:
        subjects = [_subject(resource) for resource in args.resources]
        urns = {id(subject): resource.urn for subject, resource in zip(subjects, args.resources, strict=True)}
        for violation in rule.judge(subjects, _context(args.resources[0].urn, args.get_config())):
            report(f"{violation.subject.label}: {violation.text}", urns[id(violation.subject)])

    fields = {"name": rule.name, "description": rule.description, "config_schema": _SCHEMA}
    return pack.ResourceValidationPolicy(validate=each, **fields) if rule.alone else pack.StackValidationPolicy(validate=together, **fields)


pack.PolicyPack(name="milvus-x10000", enforcement_level=pack.EnforcementLevel.MANDATORY, policies=[_policy(rule) for rule in RULES])
