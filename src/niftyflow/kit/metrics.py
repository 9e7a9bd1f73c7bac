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
DB_POOL = Gauge("db_pool", "Connections to PostgreSQL by state", ["state"])
DB_SLOW_QUERIES = Counter("db_slow_queries_total", "Statements that took longer than the limit for slow ones")
MESSAGES = Counter("kafka_messages_sent_total", "Records appended to a topic, on any engine", ["topic"])
BUS_ERRORS = Counter("kafka_errors_total", "Errors of the bus, on any engine", ["type"])
LAG = Gauge("consumer_lag", "Records behind the reader's position", ["topic", "partition"])
DEAD_LETTERS = Counter("dlq_published_total", "Records dead-lettered", ["topic"])
STAGE_LATENCY = Histogram("end_to_end_latency_seconds", "From receipt to the stage's effect", ["stage"], buckets=FAST)
STAGE_PAUSED = Gauge("stage_paused", "1 while a stage waits for the world to come back", ["stage"])
WORKER_RESTARTS = Counter("worker_restarts_total", "Times a worker crashed and was begun again", ["worker"])
CLOCK_STEPS = Counter("clock_steps_total", "Times the system's clock jumped, and ours did not")
CIRCUIT_BREAKER = Gauge("circuit_breaker_state", "1 for the state a circuit breaker is in", ["service", "state"])
EXTERNAL_REQUEST = Histogram(
    "external_request_duration_seconds", "One call of a model or service that is not ours", ["service"], buckets=FAST
)
AGGREGATION = Histogram("aggregation_duration_seconds", "Making one view of the market", buckets=FAST)
CACHE_HITS = Counter("cache_hits_total", "Values that were at hand", ["kind", "tier"])
CACHE_MISSES = Counter("cache_misses_total", "Values that were not at hand", ["kind", "tier"])
ANALYSIS = Histogram("analysis_duration_seconds", "Advancing and scoring one closed minute", buckets=FAST)
ORDERS = Counter("orders_total", "Orders by the state they came to", ["state"])
ORDER_LATENCY = Histogram("order_latency_seconds", "From an input to what followed from it, committed", buckets=FAST)
SIGNALS = Counter("signals_total", "Signals told", ["strategy", "action"])
SIGNAL_CONFLICTS = Counter("signal_conflicts_total", "Both sides of a rule held: neither told", ["strategy"])
HTTP_REQUESTS = Counter("http_requests_total", "Requests answered, by route and status", ["route", "status"])
HTTP_DURATION = Histogram("http_request_duration_seconds", "From a request's head to its answer's end", buckets=FAST)
SOCKETS = Gauge("socket_clients", "Clients of ours connected to a socket", ["socket"])
SOCKET_FRAMES = Counter("socket_frames_sent_total", "Frames written to clients", ["channel"])
SOCKET_CONFLATED = Counter("socket_changes_conflated_total", "Changes that joined a frame still owed", ["channel"])
SOCKET_DROPPED = Counter("socket_clients_dropped_total", "Clients ended by us", ["reason"])
RATE_WAIT = Histogram("rate_wait_seconds", "How long a call waited for its permit", ["kind"], buckets=FAST)
RATE_PERMITS = Counter("rate_permits_total", "Permits by what became of them", ["kind", "outcome"])
RATE_SLOWED = Counter("rate_slowed_total", "Times a broker said that we ask too often", ["kind"])
RATE_LEDGER_AWAY = Gauge("rate_ledger_away", "1 while the ledger of an account's permits is away", ["ledger"])
BROKER_TOKEN_LEFT = Gauge("broker_token_left_seconds", "Life left of an account's login; 0: none", ["account"])
