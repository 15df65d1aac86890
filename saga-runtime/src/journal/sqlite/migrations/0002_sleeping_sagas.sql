-- Sagas that sleep, or wait for an event, are let go of until then.

ALTER TABLE sagas ADD COLUMN wake_at INTEGER; -- milliseconds since 1970; empty if it is awake

-- The open ones that are awake, and those that have ended a moment ago.
DROP INDEX open_sagas;
CREATE INDEX open_sagas ON sagas (number) WHERE closed IS NULL AND wake_at IS NULL;

-- Those that sleep, by the time when they wake.
CREATE INDEX sleeping_sagas ON sagas (wake_at) WHERE wake_at IS NOT NULL;
