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

INSERT INTO answers (key, request, answer, created_id, reason)
SELECT key,
    request,
    CASE state WHEN 'answered' THEN 'created' ELSE state END,
    (SELECT id FROM orders WHERE idempotency_key = key),
    CASE state WHEN 'refused' THEN answer ->> '$' END
FROM participant_answers;

CREATE UNIQUE INDEX answers_by_created_id ON answers (created_id);

DROP INDEX orders_by_key;
ALTER TABLE orders DROP COLUMN idempotency_key;
DROP TABLE participant_answers;
