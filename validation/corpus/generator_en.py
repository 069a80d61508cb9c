"""Site notes in English, on eight subjects."""

from validation.corpus.generator_text import Subject

TITLES = (
    "Site note {serial}, {site}",
    "Weekly report {week} from {site}",
    "Minutes {serial}: {site} stand-up",
    "Handover to {person}, {site}",
)
SUBJECTS = (
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
)
