-- One row per saga, written when it is started and when it is claimed.
CREATE TABLE sagas (
    number      INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    input       TEXT    NOT NULL,              -- JSON
    started_at  INTEGER NOT NULL,              -- milliseconds since 1970
    epoch       INTEGER NOT NULL,              -- how often it was claimed
    worker      TEXT,                          -- who holds it
    claimed_seq INTEGER NOT NULL DEFAULT 0,    -- the last entry when it was claimed last
    recoveries  INTEGER NOT NULL DEFAULT 0,    -- claims after `claimed_seq` from holders that did not let go
    doubt_seq   INTEGER,                       -- the last entry when a holder let go with a step in doubt
    cancel_reason TEXT,
    cancel_at   INTEGER,
    closed      TEXT                           -- its last state; empty while it is open, and for a while after
);

-- The open ones, and those that have ended a moment ago.
CREATE INDEX open_sagas ON sagas (number) WHERE closed IS NULL;

-- What sagas do. Rows are only added.
CREATE TABLE entries (
    saga        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,              -- 1, 2, 3, …
    at          INTEGER NOT NULL,              -- milliseconds since 1970
    event       TEXT    NOT NULL,
    step        TEXT,
    occurrence  INTEGER,
    kind        TEXT,
    attempts    INTEGER,
    code        TEXT,
    message     TEXT,
    payload     TEXT,                          -- JSON
    PRIMARY KEY (saga, seq)
) WITHOUT ROWID;

-- For people: the state of each saga, also of those that have just ended.
CREATE VIEW saga_states AS
SELECT number, id, name, version, started_at, worker, epoch,
       coalesce(closed, (SELECT event FROM entries WHERE saga = number ORDER BY seq DESC LIMIT 1), 'started') AS last
FROM sagas;
