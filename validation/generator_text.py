"""The words of generated documents: site notes of the sample corpus's made-up company, in English and German, on eight subjects.

Every value in braces is a fact that `generator.py` draws. The first sentence of a subject holds the fact that its question asks for and
always stands; of the others a few are drawn, so that no two notes are alike by template alone.
"""

from dataclasses import dataclass

LANGUAGES = ("en", "de")
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
    """What a section can be about: heading, key sentence, others, and the question with the fact that answers it."""

    heading: str
    key: str
    others: tuple[str, ...]
    question: str
    asks_for: str


TITLES = {
    "en": (
        "Site note {serial}, {site}",
        "Weekly report {week} from {site}",
        "Minutes {serial}: {site} stand-up",
        "Handover to {person}, {site}",
    ),
    "de": (
        "Standortnotiz {serial}, {site}",
        "Wochenbericht {week} aus {site}",
        "Protokoll {serial}: Runde {site}",
        "Übergabe an {person}, {site}",
    ),
}
SUBJECTS = {
    "en": (
        Subject(
            "Vehicles",
            "Vehicle {serial}, a {model}, is due for inspection on {due}.",
            (
                "It stopped twice near aisle {aisle} because of dust on the scanner.",
                "The drive wheel was changed and tightened to {torque} Nm.",
                "Its battery lasted {minutes} minutes under full load.",
                "{person} drove the test round and signed the card.",
            ),
            "When is vehicle {serial} due for inspection?",
            "due",
        ),
        Subject(
            "Energy",
            "In week {week} the compressors of {site} used {amount} kWh, says meter {serial}.",
            (
                "Most leaks were found at couplings behind the paint shop.",
                "The roof panels covered {percent} percent of the demand at noon.",
                "Waste heat from the server room now warms the packing area.",
                "Switching off line {hall} at night saves about as much as two households use.",
            ),
            "How many kWh did meter {serial} count for the compressors of {site}?",
            "amount",
        ),
        Subject(
            "Visitors",
            "{person} hosts {count} guests from {company} on {due}, badge series {serial}.",
            (
                "They come by coach and park in front of the administration building.",
                "Photographs are allowed in the gallery only, after signing the form.",
                "Safety shoes in sizes up to {size} were ordered.",
                "Lunch is at half past twelve in the canteen, two of them eat no meat.",
            ),
            "How many guests wear badges of series {serial}?",
            "count",
        ),
        Subject(
            "Network and servers",
            "Ticket {serial}: the backup in {site} took {minutes} minutes, because a switch in rack {aisle} dropped frames.",
            (
                "The access point above gate {hall} was replaced.",
                "A certificate ran out on a Sunday and nobody got the mail.",
                "Restoring the mailbox from the object store worked at the first attempt.",
                "{person} is on call until the end of the month.",
            ),
            "How many minutes did the backup in ticket {serial} take?",
            "minutes",
        ),
        Subject(
            "Quality",
            "Complaint {serial} concerns {count} castings with pores, found by {person}.",
            (
                "The batch was blocked and marked with red tape.",
                "Root cause: the mould was {percent} degrees too cold after the break.",
                "The customer accepts rework, but wants a report in eight steps.",
                "Measuring gauge {aisle} is overdue for calibration.",
            ),
            "How many castings does complaint {serial} concern?",
            "count",
        ),
        Subject(
            "Suppliers",
            "{company} delivers order {serial} for {price} euros, payable within {count} days.",
            (
                "Two pallets arrived wet and went back with the same lorry.",
                "The price rises by {percent} percent in spring, steel being the reason given.",
                "Packaging returns are collected every second Thursday.",
                "A second source for the roller bearings is being looked for.",
            ),
            "What is the price of order {serial} from {company}?",
            "price",
        ),
        Subject(
            "Travel and people",
            "{person} travels to {site} by train for {price} euros, request {serial}.",
            (
                "The hotel beside the station is full because of the fair.",
                "Three apprentices start on the first of September in hall {hall}.",
                "The works council asks for fans in the assembly hall before July.",
                "Home office days are entered in the calendar the week before.",
            ),
            "What does the train in travel request {serial} cost?",
            "price",
        ),
        Subject(
            "Safety",
            "Near miss {serial} happened at gate {hall}: a fork lift turned {count} metres too early.",
            (
                "Nobody was hurt, one rack upright is bent and the rack was emptied.",
                "Blue floor lines were painted again during the weekend.",
                "The fire drill on {due} took {minutes} seconds longer than planned.",
                "Eye wash bottles beside the battery room were renewed.",
            ),
            "By how many metres did the fork lift turn too early in near miss {serial}?",
            "count",
        ),
    ),
    "de": (
        Subject(
            "Fahrzeuge",
            "Fahrzeug {serial}, ein {model}, ist am {due} zur Prüfung fällig.",
            (
                "Es blieb zweimal bei Gang {aisle} stehen, weil die Optik staubig war.",
                "Das Antriebsrad wurde getauscht und mit {torque} Nm angezogen.",
                "Der Akku hielt unter voller Last {minutes} Minuten.",
                "{person} fuhr die Proberunde und unterschrieb die Karte.",
            ),
            "Wann ist Fahrzeug {serial} zur Prüfung fällig?",
            "due",
        ),
        Subject(
            "Energie",
            "In Woche {week} brauchten die Kompressoren in {site} laut Zähler {serial} {amount} kWh.",
            (
                "Die meisten undichten Stellen lagen an Kupplungen hinter der Lackiererei.",
                "Die Module auf dem Dach deckten mittags {percent} Prozent des Bedarfs.",
                "Abwärme aus dem Serverraum heizt jetzt die Verpackung.",
                "Linie {hall} nachts abzuschalten spart so viel, wie zwei Haushalte brauchen.",
            ),
            "Wie viele kWh zählte Zähler {serial} für die Kompressoren in {site}?",
            "amount",
        ),
        Subject(
            "Besuch",
            "{person} empfängt am {due} {count} Gäste von {company}, Ausweisserie {serial}.",
            (
                "Sie kommen mit dem Bus und parken vor der Verwaltung.",
                "Fotografiert wird nur auf der Galerie und nach Unterschrift.",
                "Sicherheitsschuhe bis Größe {size} sind bestellt.",
                "Gegessen wird um halb eins in der Kantine, zwei Personen ohne Fleisch.",
            ),
            "Wie viele Gäste tragen Ausweise der Serie {serial}?",
            "count",
        ),
        Subject(
            "Netz und Rechner",
            "Ticket {serial}: Die Sicherung in {site} dauerte {minutes} Minuten, weil ein Switch in Schrank {aisle} Pakete verlor.",
            (
                "Der Funkpunkt über Tor {hall} wurde ersetzt.",
                "Ein Zertifikat lief am Sonntag ab, und niemand bekam die Nachricht.",
                "Das Postfach ließ sich beim ersten Versuch aus dem Objektspeicher zurückholen.",
                "{person} hat bis Monatsende Bereitschaft.",
            ),
            "Wie viele Minuten dauerte die Sicherung in Ticket {serial}?",
            "minutes",
        ),
        Subject(
            "Qualität",
            "Reklamation {serial} betrifft {count} Gussteile mit Poren, gefunden von {person}.",
            (
                "Das Los wurde gesperrt und mit rotem Band markiert.",
                "Ursache: Die Form war nach der Pause {percent} Grad zu kalt.",
                "Der Kunde nimmt Nacharbeit an, will aber einen Bericht in acht Schritten.",
                "Messlehre {aisle} ist überfällig zur Kalibrierung.",
            ),
            "Wie viele Gussteile betrifft Reklamation {serial}?",
            "count",
        ),
        Subject(
            "Lieferanten",
            "{company} liefert Bestellung {serial} für {price} Euro, zahlbar in {count} Tagen.",
            (
                "Zwei Paletten kamen nass an und gingen mit demselben Lastwagen zurück.",
                "Im Frühjahr steigt der Preis um {percent} Prozent, begründet mit dem Stahl.",
                "Leergut wird jeden zweiten Donnerstag abgeholt.",
                "Für die Rollenlager wird eine zweite Quelle gesucht.",
            ),
            "Was kostet Bestellung {serial} bei {company}?",
            "price",
        ),
        Subject(
            "Reisen und Personal",
            "{person} fährt mit der Bahn für {price} Euro nach {site}, Antrag {serial}.",
            (
                "Das Hotel am Bahnhof ist wegen der Messe ausgebucht.",
                "Am ersten September beginnen drei Auszubildende in Halle {hall}.",
                "Der Betriebsrat wünscht Ventilatoren in der Montage, noch vor Juli.",
                "Tage im Heimbüro stehen in der Woche davor im Kalender.",
            ),
            "Was kostet die Bahnfahrt in Reiseantrag {serial}?",
            "price",
        ),
        Subject(
            "Sicherheit",
            "Beinaheunfall {serial} geschah an Tor {hall}: Ein Stapler bog {count} Meter zu früh ab.",
            (
                "Verletzt wurde niemand, ein Regalsteher ist verbogen und das Regal geräumt.",
                "Die blauen Bodenlinien wurden am Wochenende neu gemalt.",
                "Die Räumungsübung am {due} dauerte {minutes} Sekunden länger als geplant.",
                "Die Augenspülflaschen neben dem Batterieraum wurden erneuert.",
            ),
            "Um wie viele Meter bog der Stapler bei Beinaheunfall {serial} zu früh ab?",
            "count",
        ),
    ),
}
