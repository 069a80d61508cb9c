"""The table of what the operator reads when something cannot be made."""

import ast
import string
from pathlib import Path

import yaml

import components

FOLDER = Path(components.__file__).parent
TABLE = yaml.safe_load((FOLDER / "messages.yaml").read_text())


def calls() -> list[tuple[str, set[str]]]:
    """Return each row that an error is made of, and the words that it is given."""
    nodes = [node for path in FOLDER.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    made = [node for node in nodes if isinstance(node.func, ast.Attribute) and node.func.attr == "by_code"]
    return [(ast.literal_eval(node.args[0]), {word.arg or "" for word in node.keywords}) for node in made]


def test_every_error_is_given_the_words_that_its_row_asks_for_and_no_row_is_left_over() -> None:
    fields = {row: {name for _, name, _, _ in string.Formatter().parse(message["text"]) if name} for row, message in TABLE.items()}
    assert all(fields[row] == words for row, words in calls())
    assert {row for row, _ in calls()} == TABLE.keys()


def test_every_message_names_a_cure() -> None:
    given = {"cluster.secret_missing", "cluster.secret_incomplete", "cluster.secret_spaces"}  # by whoever reads the Secret
    assert all("Cure: " in message["text"] for row, message in TABLE.items() if row not in given)
