-- Starts, appends and releases of many sagas, all or none of them.
WITH start AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $27::text[], $28::text[])
        AS start (id, name, version, fingerprint, input, worker, traceparent, tracestate)
), started AS (
    INSERT INTO {schema}.sagas (id, name, version, fingerprint, input, traceparent, tracestate, started_at)
    SELECT id, name, version, fingerprint, input::json, traceparent, tracestate, clock_timestamp() FROM start
    ON CONFLICT (id) DO NOTHING
    RETURNING number, id, name
), opened AS (
    INSERT INTO {schema}.open_sagas (number, name, epoch, worker)
    SELECT number, started.name, CASE WHEN worker IS NULL THEN 0 ELSE 1 END, worker
    FROM started JOIN start USING (id)
), append AS (
    SELECT append.*, open.stuck, open.watched
    FROM unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::text[]) AS append (number, epoch, first, last_event)
    JOIN {schema}.open_sagas open USING (number, epoch)
    WHERE open.worker IS NOT NULL
      -- The entry before is there. The first claim of a saga that was started by its holder has no row. With `OR EXISTS` a
      -- plan that is made while the table is small reads all of it, and stays prepared when the table has grown.
      AND CASE WHEN append.first = 2 AND append.epoch = 1 THEN true
               ELSE (SELECT true FROM {schema}.entries WHERE saga = append.number AND seq = append.first - 1) END
), appended AS (
    INSERT INTO {schema}.entries (saga, seq, at, event, step, occurrence, kind, attempts, code, message, payload)
    SELECT number, seq, clock_timestamp(), event, step, occurrence, kind, attempts, code, message, payload::json
    FROM unnest($11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::bigint[], $16::text[], $17::bigint[],
                $18::text[], $19::text[], $20::text[])
        AS row (number, seq, event, step, occurrence, kind, attempts, code, message, payload)
    JOIN append USING (number)
    RETURNING saga, event, step, code
), delivered AS (
    DELETE FROM {schema}.posted_events posted USING appended
    WHERE appended.event = 'received'
      AND posted.saga = appended.saga AND posted.name = appended.step AND posted.key = appended.code
), ended AS (
    DELETE FROM {schema}.open_sagas open USING append
    WHERE open.number = append.number AND open.epoch = append.epoch
      AND append.last_event IN ('completed', 'compensated', 'abandoned')
    RETURNING open.number, open.called OR open.watched AS is_awaited
), undelivered AS (
    DELETE FROM {schema}.posted_events posted USING ended WHERE posted.saga = ended.number
), release AS (
    SELECT * FROM unnest($21::bigint[], $22::bigint[], $23::double precision[], $24::boolean[], $29::bigint[])
        AS release (number, epoch, wake, in_doubt, entries)
), stuck AS (
    UPDATE {schema}.open_sagas open
    SET stuck = append.last_event = 'stuck', worker = CASE append.last_event WHEN 'stuck' THEN NULL ELSE worker END
    FROM append
    WHERE open.number = append.number AND open.epoch = append.epoch
      AND append.last_event NOT IN ('completed', 'compensated', 'abandoned')
      AND (append.last_event = 'stuck' OR append.stuck)
      -- A statement changes a row once: those that are released with their entries come next.
      AND append.number NOT IN (SELECT number FROM release WHERE entries IS NOT NULL)
    RETURNING open.number, open.called OR open.watched AS is_awaited
), released AS (
    UPDATE {schema}.open_sagas open
    SET worker = NULL, stuck = open.stuck AND release.entries IS NULL,
        -- A saga that could go on waits a moment for the operator who has called it.
        wake_at = CASE WHEN open.called AND release.wake IS NULL THEN clock_timestamp() + interval '1 second'
                       WHEN NOT open.cancel_unheard THEN to_timestamp(release.wake / 1000) END,
        doubt_seq = CASE WHEN NOT release.in_doubt THEN open.doubt_seq
                         ELSE coalesce(release.entries, (SELECT coalesce(max(seq), open.epoch) - open.epoch
                                                         FROM {schema}.entries WHERE saga = open.number)) END
    FROM release
    WHERE open.number = release.number AND open.epoch = release.epoch AND open.worker IS NOT NULL
      -- One that comes with entries stands or falls with them.
      AND (release.entries IS NULL OR release.number IN (SELECT append.number FROM append))
    RETURNING open.number, open.called AS is_awaited, open.cancel_unheard AND release.wake IS NOT NULL AS is_woken
), told AS (
    SELECT number FROM ended WHERE is_awaited
    UNION SELECT number FROM stuck WHERE is_awaited
    UNION SELECT number FROM released WHERE is_awaited
    UNION SELECT number FROM append JOIN appended ON appended.saga = append.number
          WHERE append.watched AND appended.event = 'compensating'
)
SELECT number, id FROM started
UNION ALL
SELECT number, NULL FROM append
UNION ALL
SELECT NULL, pg_notify($26, 'work')::text WHERE $25 OR EXISTS (SELECT FROM released WHERE is_woken)
UNION ALL
SELECT NULL, pg_notify($26, 'changed ' || saga.id)::text FROM told JOIN {schema}.sagas saga USING (number)
