"""What kind of value a question asks for, and whether a sentence holds one: a small table, English and German."""

import re

_TIME_UNITS = r"second|minute|hour|day|week|month|year|sekunde|minute|stunde|tag|woche|monat|jahr"
_MONTHS = r"jan|feb|mar|mär|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]"
_WEEKDAYS = r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag"

_KINDS = {
    r"weight|heav|\bload|gewicht|schwer|\blast\b": r"\d\s?(?:kg|t|tonnes?|tonnen?)\b",
    r"how fast|speed|wie schnell|geschwindigkeit|tempo": r"\d\s?(?:km/h|m/s)",
    r"how (?:long|soon|quickly|often|early)|period|wie (?:lange|oft|bald|früh)|spätestens|intervall|minutes|hours|days|stunden|tage": (
        rf"(?:{_TIME_UNITS})\w*\b"
    ),
    r"\bwhen\b|\bwann\b|(?:what|which) (?:time|day|date)|uhrzeit|datum|deadline": (
        rf"\d:\d\d|\d\s?uhr\b|\b\d{{1,2}}\.? (?:{_MONTHS})|\b(?:{_WEEKDAYS})"
    ),
    r"price|cost|\bpay\b|\bpaid\b|budget|bonus|money|what do (?:i|we) get|preis|kosten|kostet|zuschuss|zahlt|betrag|\bgibt die firma\b": (
        r"\d\s?(?:euro|€)|€\s?\d"
    ),
    r"how (?:far|wide|deep|tall)|wie (?:weit|breit|tief)|distance|abstand": r"\d\s?(?:[mck]?m|(?:centi|milli|kilo|zenti)?met(?:re|er)s?)\b",
    r"how (?:many|much)|wie ?viele?|wie hoch|percent|prozent|durchwahl|extension|number|nummer|leistung|charge|batch|version|\bcode": r"\d",
}
_ASKED = [(re.compile(question, re.IGNORECASE), re.compile(value, re.IGNORECASE)) for question, value in _KINDS.items()]


def holds_asked_value(question: str, sentence: str) -> bool:
    """Whether the sentence holds a value of a kind that the question asks for; False when it asks for none known."""
    return any(asked.search(question) and value.search(sentence) for asked, value in _ASKED)
