"""Makes the binary documents of the corpus (PDF, DOCX, PPTX, PNG) from the texts in `corpus/sources`.

Owns that every run gives the same bytes: dates, ids and metadata are fixed, and Office files are packed without compression, since
another zlib packs otherwise. Refuses to invent anything: what a document says stands in its source.
"""
