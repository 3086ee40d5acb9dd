"""Files of a plant become records of the raw topics: `andon ingest`, `andon mapping check` and `andon mapping limits`.

    mapping, mapping_file      what a file's columns mean: a frozen value, and the TOML it is written in
    instants                   texts and numbers of a time column to microseconds UTC
    reading, delimited         a file as chunks of lines: delimited text, CSV, Parquet, JSON lines
    qif                        the same of QIF inspection results; qif_index, qif_parts: the document; xml_events: hostile XML
    cells, orders              lines to entries, each with one fate: written, refused, ignored
    order_times                event times that come from the orders of the run
    verdicts, limits           the inspector's verdict against value and limits; the limits as rows
    packing, records           written entries to the records of one file, with append times
    scan                       the first pass over the files: hashes, what is still to come, the ledger
    merge                      all files of a run as one log, with its claims
    encoding, writer           records to framed Avro, and into Kafka
    ledger, checking           the sums of fates; what a mapping makes of files

Everything up to `encoding` knows nothing of Kafka: tests and the memory runner read the same log from `merge.merged`.
"""
