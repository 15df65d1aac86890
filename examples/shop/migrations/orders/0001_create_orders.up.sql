CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- In minor units (cents).
    amount INTEGER NOT NULL CHECK (amount > 0),
    parcels INTEGER NOT NULL CHECK (parcels > 0),
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'cancelled'))
) STRICT;
