"""Limits of a worker; a deployment sets them as ANDON_WORKER__<NAME>. All are positive.

Times are of the machine's clock: they decide when something happens, never what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    commit_interval_s: float = 0.1  # shortest time between two commits of a task
    transaction_timeout_s: float = 20.0  # after which the broker aborts a transaction that its owner left open
    watchdog_s: float = 20.0  # longest time that a commit may take before the process gives up
    slice_s: float = 120.0  # longest time that a slice may take, fold and commit, before /livez says that it is stuck
    session_timeout_s: float = 10.0  # after which a silent worker loses its partitions
    snapshot_interval_s: float = 60.0
    snapshot_records: int = 2_000_000  # a snapshot at the latest after so many input records
    inbox_bytes: int = 8 << 20  # fetched but not yet folded, of each input partition
    pending_samples: int = 20_000_000  # accepted but not yet complete, of each task; more ends the task
    frontier_interval_s: float = 1.0  # between frontier records in a derived partition that nothing else is written to
    reference_interval_s: float = 1.0  # between two looks for new reference data
    schema_wait_s: float = 5.0  # for the registry to know a schema id, before its records are dead letters
    schema_again_s: float = 60.0  # after which an id that was unknown is asked for again
    stop_s: float = 10.0  # to end in when asked to
