"""The measurements behind the project's promises: `python -m mlproxy.lab.bench NAME`."""
