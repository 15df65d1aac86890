CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- An order of another service: a number, not a reference.
    order_id INTEGER NOT NULL,
    parcels INTEGER NOT NULL CHECK (parcels > 0),
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'cancelled'))
) STRICT;

CREATE INDEX deliveries_by_order ON deliveries (order_id);
