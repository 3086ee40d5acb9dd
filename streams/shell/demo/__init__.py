"""The demo: a simulated factory on a real Kafka, what is found held against what was put in.

    limits      frozen limits of the plant, from its true centres and sigmas
    findings    what derived topics say of faults, and which fault each of them is
    scene       the processes: Kafka, the simulator, a worker for each topology
    screen      what people see while it runs
    proof       afterwards: the ledgers, the same bytes again in memory, the verdict
"""
