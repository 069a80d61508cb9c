"""Runs work so that a report is written however it ends: by a verdict, a refusal, Ctrl-C or a mistake of our own."""

import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from validation.judge.errors import GateError
from validation.judge.outcome import Outcome
from validation.run.interrupts import interrupts
from validation.run.progress import Reporter
from validation.run.record import Record


def guarded(record: Record, reporter: Reporter, run: Callable[[], None], write: Callable[[], None]) -> None:
    """Do `run`, note in the record how it ended, then `write`; raises only what `write` raises."""
    try:
        with interrupts():
            run()
    except GateError as error:
        record.stop(error)
    except KeyboardInterrupt:
        record.stopped = (Outcome.ERROR, "interrupted; what the run had made was removed unless it is listed as left behind")
    except Exception as error:  # noqa: BLE001 - the last line: a mistake of our own must still end in a report
        record.stopped = (Outcome.ERROR, f"the gate itself failed ({type(error).__name__}: {error}); this is a bug, see the lines above")
        reporter.say(record.hide(traceback.format_exc()))
    finally:
        record.ended_at = datetime.now(UTC)
        write()
