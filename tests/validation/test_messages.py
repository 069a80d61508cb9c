"""The table of long texts of errors."""

import ast
import re
import string
from pathlib import Path

import yaml

import validation

FOLDER = Path(validation.__file__).parent
TABLE = yaml.safe_load((FOLDER / "messages.yaml").read_text(encoding="utf-8"))


def calls() -> list[tuple[str, set[str]]]:
    """Return each row that an error or a text is made of, and the words that it is given."""
    nodes = [node for path in FOLDER.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    made = [node for node in nodes if re.search(r"Error\.of$|^text_of$", ast.unparse(node.func)) and isinstance(node.args[0], ast.Constant)]
    return [(ast.literal_eval(node.args[0]), {word.arg or "" for word in node.keywords} - {"code"}) for node in made]


def test_every_error_is_given_the_words_that_its_row_asks_for_and_no_row_is_left_over() -> None:
    fields = {row: {name for _, name, _, _ in string.Formatter().parse(text) if name} for row, text in TABLE.items()}
    assert all(fields[row] == words for row, words in calls())
    assert {row for row, _ in calls()} == TABLE.keys()
