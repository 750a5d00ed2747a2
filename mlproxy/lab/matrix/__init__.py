"""The declared matrix: devices x loads x contenders, its rows, its statistics, its report."""
