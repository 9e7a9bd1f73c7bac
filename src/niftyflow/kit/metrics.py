"""Prometheus metrics, all of them, updated per batch and never per tick. Names are public: see the contracts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

PACKETS = Counter("websocket_packets_total", "Packets decoded from a broker's frames", ["vendor"])
CONNECTIONS = Gauge("websocket_connections_active", "Broker sockets connected and fed")
RECONNECTS = Counter("feed_reconnects_total", "Times a broker's socket was given up and made again", ["vendor"])
BACKPRESSURE = Counter("feed_backpressure_total", "Times reading a broker's socket was paused", ["vendor"])
TICKS = Counter("ticks_total", "Ticks by what became of them", ["vendor", "outcome"])
CANDLES = Counter("candles_inserted_total", "Candle rows stored")
BATCH_INSERT = Histogram("batch_insert_duration_seconds", "Storing one batch of candles", buckets=FAST)
MESSAGES = Counter("kafka_messages_sent_total", "Records appended to a topic, on any engine", ["topic"])
BUS_ERRORS = Counter("kafka_errors_total", "Errors of the bus, on any engine", ["type"])
LAG = Gauge("consumer_lag", "Records behind the reader's position", ["topic", "partition"])
DEAD_LETTERS = Counter("dlq_published_total", "Records dead-lettered", ["topic"])
STAGE_LATENCY = Histogram("end_to_end_latency_seconds", "From receipt to the stage's effect", ["stage"], buckets=FAST)
STAGE_PAUSED = Gauge("stage_paused", "1 while a stage waits for the world to come back", ["stage"])
CLOCK_STEPS = Counter("clock_steps_total", "Times the system's clock jumped, and ours did not")
