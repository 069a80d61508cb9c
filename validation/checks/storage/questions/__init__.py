"""One question each; a question adds findings, and stops the run only where nothing after it could be asked."""
