-- The table of `saga_participant::Participant`, as its `schema()` says.
-- One row per idempotency key, written in the transaction that carries the request out.
CREATE TABLE IF NOT EXISTS "participant_answers" (
    key TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('begun', 'answered', 'refused', 'cancelled')),
    -- What was asked for, if the service tells requests apart.
    request TEXT,
    -- What was returned, or why the request was refused: JSON.
    answer TEXT,
    -- In milliseconds since 1970.
    changed_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    CHECK (answer IS NOT NULL OR state IN ('begun', 'cancelled'))
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS "participant_answers_by_time" ON "participant_answers" (changed_at);

INSERT INTO participant_answers (key, state, request, answer)
SELECT key,
    CASE answer WHEN 'created' THEN 'answered' ELSE answer END,
    request,
    CASE WHEN created_id IS NOT NULL THEN CAST(created_id AS TEXT)
         WHEN reason IS NOT NULL THEN json_quote(reason) END
FROM answers;

-- A caller who cancels an order by its number means its key.
ALTER TABLE orders ADD COLUMN idempotency_key TEXT;
UPDATE orders SET idempotency_key = (SELECT key FROM answers WHERE created_id = orders.id);
CREATE UNIQUE INDEX orders_by_key ON orders (idempotency_key);

DROP TABLE answers;
