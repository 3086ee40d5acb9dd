"""Event time: instants, the gate, watermarks and frontiers, pending samples, windows. The only time arithmetic there is."""
