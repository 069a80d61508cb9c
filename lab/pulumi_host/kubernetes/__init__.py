"""Stand-in for the kubernetes resource plugin: objects of any kind by server-side apply, and Helm releases by running `helm`.

Reading order: `main` (process) -> `provider` (gRPC) -> `objects`, `release` (what a resource does) -> `cluster`, `helm`, `waiting`
(doing it) -> `wire`, `diff`, `readiness`, `pods`, `errors` (pure). `handler` holds the words they share.
Refuses Chart, ConfigGroup, ConfigFile, Kustomize, List and Patch kinds, and invokes: the stacks do not use them.
"""
