"""The live runner: Faust agents around tasks whose outputs, offsets and epochs share one Kafka transaction a slice.

    setup        what the process was told
    private      everything we use of Faust and aiokafka that they do not promise
    kafka        librdkafka: producers, consumers in assign mode, what may be tried again
    reference    reference data and configurations, read whole
    recovery     from the committed vector and the newest snapshot to a task
    owner        one partition number: fence, recover, commit
    worker       the Faust application: assignment, inboxes, the commit loop
"""
