"""What a stack declares, as plain manifests, without cluster and network."""
