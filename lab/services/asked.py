"""What kind of value a question asks for, and whether a sentence holds one: a small table, in the languages of the corpus."""

import re

_TIME_UNITS = r"second|minute|hour|day|week|month|year|sekunde|minute|stunde|tag|woche|monat|jahr"
_MONTHS = r"jan|feb|mar|mär|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]"
_WEEKDAYS = r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag"
_COUNT = r"[\d一二三四五六七八九十百千万两]"

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
    r"多久|多长时间|几天|多少天|时限|何日|何か月|何年|何分|何時間|期間|いつまで|どれだけ": (
        rf"{_COUNT}\s?(?:秒|分|小时|時間|天|日|周|週|个月|か月|月|年)"
    ),
    r"什么时候|哪天|何时|几点|いつ|何時": rf"{_COUNT}\s?(?:[点月日时時]|年度)",
    r"多少钱|价格|费用|单价|收多少|结算|预算|报价|いくら|価格|料金|家賃": rf"{_COUNT}\s?(?:元|円|欧元|ユーロ)",
    r"多宽|多窄|最窄|多高|多远|高低差|何センチ|何ミリ|すき間|幅|距離": rf"{_COUNT}\s?(?:毫米|厘米|米|センチ|ミリ|メートル)",
    r"多少|几|何|いくつ|どのくらい|どれくらい|比例|编号|料号|番号": _COUNT,
}
_ASKED = [(re.compile(question, re.IGNORECASE), re.compile(value, re.IGNORECASE)) for question, value in _KINDS.items()]


def holds_asked_value(question: str, sentence: str) -> bool:
    """Whether the sentence holds a value of a kind that the question asks for; False when it asks for none known."""
    return any(asked.search(question) and value.search(sentence) for asked, value in _ASKED)
