"""How a proxy is reached: `stock` (ordinary sysfs, procfs, debugfs) or `kernel` (the
ml_proxy class of a patched kernel)."""
