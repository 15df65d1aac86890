CREATE TABLE payments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- An order of another service: a number, not a reference.
    order_id INTEGER NOT NULL,
    -- In minor units (cents).
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'cancelled'))
) STRICT;

CREATE INDEX payments_by_order ON payments (order_id);
