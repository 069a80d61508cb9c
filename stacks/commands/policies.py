"""Judge every object of the stack, as it would be rendered, by the rules of policies/; exit 1 when one is broken.

The same rules run inside Pulumi, where they refuse an object before it is made: pulumi preview --policy-pack policies (docs/policies.md).

For example:

    ./rag policies prod
"""

import sys
from dataclasses import replace

import typer

from policies.rules import RULES
from policies.subject import Context, Subject, Violation, context_of
from stacks.commands import EnvironmentName, Json, select, show
from stacks.environments import Environment
from stacks.images import lock

_VIOLATED = 1


def run(environment: EnvironmentName, *, as_json: Json = False) -> None:
    """Judge one environment."""
    selected = select(environment)
    from stacks import rendering
    from stacks.wiring import models
    from stacks.wiring.tenancy import allowed

    rendered, settings = rendering.render(selected), selected.settings
    context = replace(context_of(environment), allowed_hosts=allowed(settings) if settings.residency.mode == "locked" else None)
    violations = judged([item.subject for item in rendered.objects], context, _not_judged(selected, context))
    lines = [f"{rule:<20} {violation.subject.label}: {violation.text}" for rule, violation in violations]
    lines.append(f"{len(rendered.objects)} objects, {len(RULES)} rules: {len(violations)} violations")
    broken = [{"rule": rule, "object": violation.subject.label, "what": violation.text} for rule, violation in violations]
    for note in (*rendered.notes, *models.notes(settings)):
        print(f"note: {note}", file=sys.stderr)
    show({"objects": len(rendered.objects), "rules": len(RULES), "violations": broken}, lines, as_json=as_json)
    raise typer.Exit(_VIOLATED if violations else 0)


def _not_judged(selected: Environment, context: Context) -> frozenset[str]:
    """Rules that cannot be judged yet, each said aloud: digests are known only once they were asked for, and `up` waits for them."""
    if not context.production or lock.path_of(selected.name).is_file():
        return frozenset()
    print(
        f"note: image-by-digest is not judged, there is no {lock.path_of(selected.name)} yet: ./rag pin {selected.name}; "
        "without it `pulumi up` refuses to start",
        file=sys.stderr,
    )
    return frozenset({"image-by-digest"})


def judged(subjects: list[Subject], context: Context, left_out: frozenset[str] = frozenset()) -> list[tuple[str, Violation]]:
    """Names of broken rules, each with the object that breaks it."""
    return [(rule.name, violation) for rule in RULES if rule.name not in left_out for violation in rule.judge(subjects, context)]
