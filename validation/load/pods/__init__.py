"""Load from the pods of a Job, started at one instant; each pod's latencies are its own, and their histograms merge."""
