"""What any run has: its record, progress on stderr, and an end that always leaves a report."""
