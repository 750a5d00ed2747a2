"""mlproxy's adapter for readahead: read_ahead_kb of a bdi."""

from mlproxy_readahead.adapter import ReadaheadAdapter

__all__ = ["ReadaheadAdapter"]
