"""History folded again into files or topics: `andon backfill`.

    replayed       an export as a task takes it: epochs, reference data, logs in parts
    rules          which rules and reference data apply: today's, or those of the time
    tables         files of samples as columns, without Avro between
    files          files of a plant: tables where they hold samples only, else the log that `andon ingest` writes, kept aside
    job            all partitions at once, in bounded memory
    records        what comes out, as bytes, containers and tables
    folder, topics where it goes
"""
