"""Why a file is not read: one sentence for the list that a run ends with. It never stops the other files."""


class UnreadableError(Exception):
    """The file cannot be read, or must not be; the message says what it is and what helps."""
