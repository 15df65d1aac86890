-- A saga can be abandoned: an end that older versions do not know.
CREATE INDEX abandoned_sagas ON {schema}.entries (saga) WHERE event = 'abandoned';

CREATE OR REPLACE VIEW {schema}.saga_states AS
SELECT s.number, s.id, s.name, s.version, s.started_at, o.worker, o.epoch, o.wake_at,
       CASE WHEN o.number IS NULL THEN
                CASE WHEN EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensated')
                     THEN 'compensated'
                     WHEN EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'abandoned')
                     THEN 'abandoned' ELSE 'completed' END
            WHEN o.stuck THEN 'stuck'
            WHEN o.worker IS NULL THEN 'waiting'
            WHEN EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensating')
                 THEN 'compensating'
            ELSE 'running' END AS state
FROM {schema}.sagas s LEFT JOIN {schema}.open_sagas o USING (number);
