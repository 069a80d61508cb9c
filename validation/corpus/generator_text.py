"""The words that generated documents have in common: names of the sample corpus's made-up company, and what a subject is made of."""

from dataclasses import dataclass

SITES = ("Kassel", "Brno", "Rotterdam", "Turin", "Gdansk", "Aarhus", "Linz", "Porto", "Tampere", "Ghent", "Leeds", "Zaragoza")
MODELS = ("Lynx 40", "Lynx 60", "Pallas P2", "Pallas P3", "Conductor Edge", "Corvus lift", "Strix scanner", "Tern shuttle")
FIRST_NAMES = (
    "Anna",
    "Boris",
    "Chiara",
    "Daniel",
    "Emre",
    "Fatima",
    "Gustav",
    "Hana",
    "Ivo",
    "Jelena",
    "Karim",
    "Lotte",
    "Milan",
    "Nora",
    "Oskar",
)
LAST_NAMES = (
    "Novak",
    "Lindqvist",
    "Okafor",
    "Wiegand",
    "Haddad",
    "Santos",
    "Visser",
    "Yildiz",
    "Moreau",
    "Kowalski",
    "Brandt",
    "Ferrari",
    "Dvorak",
)
COMPANIES = (
    "Albrecht Guss",
    "Norrvik Kabel",
    "Tessaro Motori",
    "Ostrava Lager",
    "Delft Optics",
    "Iberia Plast",
    "Jutland Steel",
    "Masovia Draht",
)


@dataclass(frozen=True)
class Subject:
    """What a section can be about; every value in braces is a fact that `generator.py` draws."""

    heading: str
    key: str
    """The sentence that holds the fact which is asked for; it always stands."""
    others: tuple[str, ...]
    """Of these a few are drawn, so that no two notes are alike by template alone."""
    question: str
    asks_for: str
    """Name of the fact that answers the question."""
