-- A saga can be abandoned: an end that older versions do not know. They refuse a file of this version.

DROP VIEW saga_states;
CREATE VIEW saga_states AS
SELECT number, id, name, version, started_at,
       CASE WHEN last NOT IN ('completed', 'compensated', 'stuck', 'abandoned') THEN worker END AS worker, epoch, last
FROM (SELECT *, coalesce(closed, (SELECT event FROM entries WHERE saga = number ORDER BY seq DESC LIMIT 1), 'started') AS last
      FROM sagas);
