-- One row per idempotency key, written in the transaction that does what it says: the answer the key has, for good.
CREATE TABLE answers (
    key TEXT NOT NULL PRIMARY KEY,
    -- What was asked for; null when the key was cancelled before anything was.
    request TEXT,
    answer TEXT NOT NULL CHECK (answer IN ('created', 'refused', 'cancelled')),
    created_id INTEGER,
    reason TEXT,
    CHECK (answer <> 'created' OR created_id IS NOT NULL),
    CHECK ((answer = 'refused') = (reason IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX answers_by_created_id ON answers (created_id);
