"""What runs on a device: fio's jobs and real programs, each with a number for its progress."""
