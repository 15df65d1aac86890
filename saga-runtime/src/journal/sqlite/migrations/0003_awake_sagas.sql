-- Which sagas are awake is written down for many at a time: most have ended before it would be their turn, and cost nothing.

-- Those that have neither ended nor are stuck nor sleep, up to the number in `listed`; and some for which that was true a
-- while ago.
CREATE TABLE awake_sagas (number INTEGER PRIMARY KEY);
INSERT INTO awake_sagas SELECT number FROM sagas WHERE closed IS NULL AND wake_at IS NULL;

-- One row. Each saga with a higher number may be awake.
CREATE TABLE listed (through INTEGER NOT NULL);
INSERT INTO listed SELECT coalesce(max(number), 0) FROM sagas;

-- `closed` says 'stuck' of those that are. What has ended says so by its last entry.
DROP INDEX open_sagas;
CREATE INDEX stuck_sagas ON sagas (number) WHERE closed = 'stuck';

DROP VIEW saga_states;
CREATE VIEW saga_states AS
SELECT number, id, name, version, started_at, CASE WHEN last NOT IN ('completed', 'compensated', 'stuck') THEN worker END AS worker, epoch, last
FROM (SELECT *, coalesce(closed, (SELECT event FROM entries WHERE saga = number ORDER BY seq DESC LIMIT 1), 'started') AS last
      FROM sagas);
