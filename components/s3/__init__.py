"""A bucket and a scoped credential on any S3 server with an AWS-compatible IAM API: two dynamic providers on boto3.

The state of a stack names the providers by import path (`components.s3.bucket.BucketProvider`), never by their code or a path of
the machine: two checkouts give the same state, and `destroy` works from either. So these two modules must not be renamed.
"""
