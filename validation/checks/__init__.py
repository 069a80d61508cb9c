"""One question each; a check measures, writes to the record, and leaves judging to `slo.py`."""
