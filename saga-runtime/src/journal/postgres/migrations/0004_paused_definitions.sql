-- Operators pause definitions. Processes with an older version refuse to start on this schema.
CREATE TABLE {schema}.paused_definitions (
    name   text PRIMARY KEY,
    reason text NOT NULL,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
