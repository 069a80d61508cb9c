"""What was promised and what was measured, compared: pure functions and data, no input and no output but the SLO file."""
