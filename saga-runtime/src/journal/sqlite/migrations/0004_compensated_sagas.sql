-- `closed` says 'compensated' of those that are, for many at a time: people look for what has failed among all that has not.

UPDATE sagas SET closed = 'compensated'
WHERE closed IS NULL AND (SELECT event FROM entries WHERE saga = number ORDER BY seq DESC LIMIT 1) = 'compensated';

DROP INDEX stuck_sagas;
CREATE INDEX closed_sagas ON sagas (closed, number) WHERE closed IS NOT NULL;
