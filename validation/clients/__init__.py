"""One small client for each service behind the target: what the gate needs of it, and its failures in the gate's own words."""
