"""Measurements that are no verdict about a deployment: rates, outages, the tool itself."""
