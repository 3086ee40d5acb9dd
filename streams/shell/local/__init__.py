"""A real Apache Kafka and a schema registry on this machine, without Java or Docker: to try, to test, for the edge."""
