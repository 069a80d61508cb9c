"""The container images of the lab, built without a container engine: folders of files, packed as OCI archives."""
