"""mlproxy's adapter for the I/O scheduler: nr_requests, scheduler, wbt of a disk."""

from mlproxy_iosched.adapter import IoschedAdapter

__all__ = ["IoschedAdapter"]
