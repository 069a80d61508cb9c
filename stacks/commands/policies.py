"""Judge every object of the stack, as it would be rendered, by the rules of policies/; exit 1 when one is broken.

The same rules run inside Pulumi, where they refuse an object before it is made: pulumi preview --policy-pack policies (docs/policies.md).
"""

import sys

import typer

from policies import residency
from policies.rules import RULES
from policies.subject import Context, Subject, Violation, context_of
from stacks import objects, pins
from stacks.commands import EnvironmentName, chosen
from stacks.environments import Environment
from stacks.objects import Object
from stacks.parts import models
from stacks.parts.residency import allowed

_VIOLATED = 1


def run(environment: EnvironmentName) -> None:
    """Judge one environment."""
    found = chosen(environment)
    rendered = objects.of(found)
    context = context_of(environment)
    violations = list(judged([subject_of(item) for item in rendered.found], context, _not_judged(found, context)))
    violations += _outside(found, rendered.found)
    for rule, violation in violations:
        print(f"{rule:<20} {violation.subject.label}: {violation.text}")
    for note in (*rendered.notes, *models.notes(found.settings)):
        print(f"note: {note}", file=sys.stderr)
    print(f"{len(rendered.found)} objects, {len(RULES)} rules: {len(violations)} violations")
    raise typer.Exit(_VIOLATED if violations else 0)


def _outside(found: Environment, rendered: list[Object]) -> list[tuple[str, Violation]]:
    """What names an address outside, where residency is locked: the one rule that needs to know the settings."""
    subjects = [subject_of(item) for item in rendered] if found.settings.residency.mode == "locked" else []
    return [("residency", violation) for violation in residency.violations(subjects, allowed(found.settings))]


def _not_judged(found: Environment, context: Context) -> frozenset[str]:
    """Rules that cannot be judged yet, each said aloud: digests are known only once they were asked for, and `up` waits for them."""
    if not context.production or pins.path_of(found.name).is_file():
        return frozenset()
    print(
        f"note: image-by-digest is not judged, there is no {pins.path_of(found.name)} yet: make pin ENV={found.name}; "
        "without it `pulumi up` refuses to start",
        file=sys.stderr,
    )
    return frozenset({"image-by-digest"})


def judged(subjects: list[Subject], context: Context, left_out: frozenset[str] = frozenset()) -> list[tuple[str, Violation]]:
    """Names of broken rules, each with the object that breaks it."""
    return [(rule.name, violation) for rule in RULES if rule.name not in left_out for violation in rule.judge(subjects, context)]


def subject_of(item: Object) -> Subject:
    """One rendered object as the rules see it."""
    metadata = item.manifest.get("metadata", {})
    return Subject(kind=item.kind, name=metadata.get("name", item.logical_name), content=item.manifest, protect=item.protect)
