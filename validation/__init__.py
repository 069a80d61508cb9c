"""The gate: aims at exported endpoints, measures them, compares with promises, and answers with an exit code.

It knows what is promised and where the endpoints are, never how they were made: nothing here imports Pulumi, `stacks`, `components`
or `lab`.
"""

from validation.run.interrupts import install_handlers

install_handlers()
