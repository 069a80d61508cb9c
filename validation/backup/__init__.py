"""Backup and restore of collections: rows read through Milvus's own API into another bucket, and compared row by row when they are back."""
