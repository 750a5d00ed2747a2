"""Everything that can go wrong, and the exit code each kind ends with.

MlproxyError                 1   something went wrong
|- ConfigError               2   a policy, an argument or a manifest is wrong
|  |- PolicyError            2   a policy file breaks a rule (file, line, field, allowed)
|  `- UnknownAdapter         2   no adapter of that name is installed
|- NotPermitted              3   this needs root (or a file is owned by the wrong person)
|- Busy                      4   another agent holds the knob
|- JournalError              5   the journal cannot be trusted or written
|- WriteRefused              6   the kernel refused a value, or did not take it
|  `- Postponed              6   a patched kernel takes no recommendation just now
|- ModelError                7   a model is missing, altered or does not fit its adapter
|- LabError                  8   the test bed or a workload failed
|- Overridden                9   somebody else changed the knob; it is theirs now
`- NoBetter                 10   a model that learned more does worse; nothing was written
"""

from __future__ import annotations


class MlproxyError(Exception):
    """Base of all errors that a person may see; str() is one clear sentence."""

    exit_code = 1


class ConfigError(MlproxyError):
    """A policy, an argument or a manifest is wrong."""

    exit_code = 2


class PolicyError(ConfigError):
    """A policy file breaks a rule; the message names file, line, field, value, allowed."""


class UnknownAdapter(ConfigError):
    """No adapter of that name is installed; the message lists those that are."""


class NotPermitted(MlproxyError):
    """The caller lacks a privilege, or a file may be changed by somebody else."""

    exit_code = 3


class Busy(MlproxyError):
    """Another agent holds a knob; the message names the holder."""

    exit_code = 4


class JournalError(MlproxyError):
    """The journal cannot be written, or a record in it cannot be trusted."""

    exit_code = 5


class WriteRefused(MlproxyError):
    """The kernel refused a value, rounded it away or did not take it."""

    exit_code = 6


class Postponed(WriteRefused):
    """A patched kernel takes no recommendation just now; another tick may try again."""

    pause_s = 1.0
    """How long to leave it alone."""


class ModelError(MlproxyError):
    """A model is missing, altered, or was not made for this adapter."""

    exit_code = 7


class LabError(MlproxyError):
    """The test bed, a workload or a measurement failed."""

    exit_code = 8


class Overridden(MlproxyError):
    """Somebody else changed the knob since our last write: stand down, it is theirs."""

    exit_code = 9


class NoBetter(MlproxyError):
    """A model that learned from outcomes does worse where it must not, and was not written."""

    exit_code = 10
