"""One format each; a report only tells what the record holds, and decides nothing."""
