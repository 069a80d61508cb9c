"""Wertet die Anzüge der Drehmomentschlüssel an Linie 2 aus und meldet Fahrzeuge, an denen eine Schraube fehlt oder zu fest sitzt.

Läuft nach jeder Schicht. Eingabe ist die Liste, die der Schlüssel an die Linie schickt; Ausgabe sind die Fahrzeuge für die
Nacharbeit. Ansprechpartner: Carsten Imhof.
"""

from collections import defaultdict
from dataclasses import dataclass

SOLL_NM = 46.0
TOLERANZ_NM = 2.3
"""Erlaubt sind 2,3 Nm nach oben und unten; außerhalb davon geht das Fahrzeug in die Nacharbeit."""

SCHRAUBEN_JE_RAD = 5

WARNUNG_AB_WIEDERHOLUNGEN = 3
"""So oft darf eine Schraube nachgezogen werden, danach ist sie zu ersetzen: Das Gewinde längt sich."""


@dataclass(frozen=True)
class Anzug:
    """Eine Meldung des Schlüssels."""

    fahrzeug: str
    schraube: int
    drehmoment_nm: float


def nacharbeit(anzuege: list[Anzug]) -> dict[str, list[str]]:
    """Gib je Fahrzeug die Gründe an, aus denen es nachgearbeitet werden muss; ohne Grund kommt es nicht vor."""
    je_fahrzeug: dict[str, list[Anzug]] = defaultdict(list)
    for anzug in anzuege:
        je_fahrzeug[anzug.fahrzeug].append(anzug)
    gruende = {fahrzeug: _gruende(liste) for fahrzeug, liste in je_fahrzeug.items()}
    return {fahrzeug: texte for fahrzeug, texte in gruende.items() if texte}


def _gruende(anzuege: list[Anzug]) -> list[str]:
    letzte = {anzug.schraube: anzug.drehmoment_nm for anzug in anzuege}
    texte = [f"Schraube {nummer} fehlt" for nummer in range(1, SCHRAUBEN_JE_RAD + 1) if nummer not in letzte]
    texte += [f"Schraube {nummer}: {wert} Nm" for nummer, wert in sorted(letzte.items()) if abs(wert - SOLL_NM) > TOLERANZ_NM]
    oft = [nummer for nummer in letzte if sum(anzug.schraube == nummer for anzug in anzuege) > WARNUNG_AB_WIEDERHOLUNGEN]
    return texte + [f"Schraube {nummer} ersetzen" for nummer in sorted(oft)]
