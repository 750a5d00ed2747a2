"""mlproxy's adapter for writeback: how much dirty data a bdi may hold."""

from mlproxy_writeback.adapter import WritebackAdapter

__all__ = ["WritebackAdapter"]
