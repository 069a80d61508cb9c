"""A language host for Python that lets a Pulumi CLI built from source run programs, where Pulumi's own host cannot be had."""
