"""All that touches the world: settings, Kafka, the registry, the web, the command line."""
