"""What the preflight asks of an object store."""
