-- One row per saga, written once, when the saga is started.
CREATE TABLE {schema}.sagas (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          text COLLATE "C" NOT NULL UNIQUE,  -- `\` stands as `\\`, a NUL as `\0`
    name        text        NOT NULL,
    version     bigint      NOT NULL,
    fingerprint bigint      NOT NULL,
    input       json        NOT NULL,              -- not jsonb: numbers and the order of keys stay as written
    started_at  timestamptz NOT NULL
);
CREATE INDEX sagas_by_time ON {schema}.sagas (started_at);
CREATE INDEX sagas_by_name ON {schema}.sagas (name, number);

-- The sagas that have not ended: a small table that changes all the time. A row goes when its saga ends.
CREATE TABLE {schema}.open_sagas (
    number        bigint PRIMARY KEY,
    name          text    NOT NULL,
    epoch         bigint  NOT NULL,                -- how often it was claimed
    worker        text,                            -- who holds it
    stuck         boolean NOT NULL DEFAULT false,
    wake_at       timestamptz,                     -- empty: at once; infinity: when it is called
    cancel_reason text,
    cancel_at     timestamptz,
    cancel_unheard boolean NOT NULL DEFAULT false, -- cancelled since it was claimed
    claimed_seq   bigint  NOT NULL DEFAULT 0,      -- how many entries it had when it was claimed last
    recoveries    bigint  NOT NULL DEFAULT 0,      -- claims after `claimed_seq` from holders that did not release it
    doubt_seq     bigint                           -- how many entries it had when it was released with a step in doubt
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
        autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX free_sagas ON {schema}.open_sagas (number) WHERE worker IS NULL AND NOT stuck AND wake_at IS NULL;
CREATE INDEX sleeping_sagas ON {schema}.open_sagas (wake_at) WHERE worker IS NULL AND NOT stuck AND wake_at IS NOT NULL;
CREATE INDEX held_sagas ON {schema}.open_sagas (worker, number) WHERE worker IS NOT NULL;
CREATE INDEX stuck_sagas ON {schema}.open_sagas (number) WHERE stuck;

-- What sagas do. Rows are only added. `seq` counts the entries of a saga and its claims: the entry `n` under the claim `e`
-- has the number `n + e`, and the claim itself, an event `claimed`, the number before the first entry under it. So the
-- next entry of a worker that has lost the saga and the claim of the worker that has taken it have the same number, and
-- only one of them can be there.
CREATE TABLE {schema}.entries (
    saga       bigint      NOT NULL,
    seq        bigint      NOT NULL,
    at         timestamptz NOT NULL,
    event      text        NOT NULL,
    step       text,
    occurrence bigint,
    kind       text,
    attempts   bigint,
    code       text,
    message    text,
    payload    json,
    PRIMARY KEY (saga, seq)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);
CREATE INDEX compensated_sagas ON {schema}.entries (saga) WHERE event = 'compensated';
CREATE INDEX compensating_sagas ON {schema}.entries (saga) WHERE event = 'compensating';

-- Until when what a worker holds is its own, by the clock of the database.
CREATE TABLE {schema}.workers (
    name        text PRIMARY KEY,
    valid_until timestamptz NOT NULL
) WITH (fillfactor = 20);

-- For people: the state of each saga.
CREATE VIEW {schema}.saga_states AS
SELECT s.number, s.id, s.name, s.version, s.started_at, o.worker, o.epoch, o.wake_at,
       CASE WHEN o.number IS NULL THEN
                CASE WHEN EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensated')
                     THEN 'compensated' ELSE 'completed' END
            WHEN o.stuck THEN 'stuck'
            WHEN o.worker IS NULL THEN 'waiting'
            WHEN EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensating')
                 THEN 'compensating'
            ELSE 'running' END AS state
FROM {schema}.sagas s LEFT JOIN {schema}.open_sagas o USING (number);
