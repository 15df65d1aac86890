CREATE TABLE reservations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- An order of another service: a number, not a reference.
    order_id INTEGER NOT NULL,
    article TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'cancelled'))
) STRICT;

CREATE INDEX reservations_by_article ON reservations (article) WHERE state = 'active';
