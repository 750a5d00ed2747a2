"""mlproxy: recommendations for kernel knobs, gated, journaled and measured."""
