"""Site notes in German, on eight subjects."""

from validation.corpus.generator_text import Subject

TITLES = (
    "Standortnotiz {serial}, {site}",
    "Wochenbericht {week} aus {site}",
    "Protokoll {serial}: Runde {site}",
    "Übergabe an {person}, {site}",
)
SUBJECTS = (
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
)
