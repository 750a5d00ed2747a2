"""The test bed: a deterministic slow block device, a file system on it and a memory cgroup."""
