"""The questions of the gate and, in `storage`, of the preflight, by subject; the gate's are slow to import, and `gate` registers them."""
