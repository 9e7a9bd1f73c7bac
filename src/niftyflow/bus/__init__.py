"""The event bus: its port, the embedded durable log, and Apache Kafka."""
