"""A factory with hidden truth: deterministic, seeded, without a clock, a thread or Kafka.

    plant       what stands where: lines, cells, machines, signals, characteristics, products
    simulate    the log of its inputs in append order, and the faults that were put into it

Source of the shape: ISA-95 (IEC 62264-1) for the hierarchy, ISA-TR88.00.02 (PackML) for starved and blocked.
"""
