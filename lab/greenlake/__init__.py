"""AN EMULATOR of the HPE GreenLake Object Storage REST API (`v1alpha1`) of an X10000, on the lab's own S3 and IAM servers.

Real: buckets, users and policies take effect on the S3 server, so a user made here can sign S3 requests there, its name being its
access key; mutations are asynchronous tasks; tokens expire; lists are paged. Not real: everything else of an X10000. It claims no
more than the published API says: `openapi.json` is the structure (paths, parameters, schemas; no prose) of HPE's OpenAPI description
of object storage, version 1.1.0, as published on developer.greenlake.hpe.com; every request and every answer is validated against it.
What that does not describe (token, task, 404) follows HPE's own COSI driver.
"""
