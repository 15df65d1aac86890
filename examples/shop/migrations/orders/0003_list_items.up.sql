-- What is ordered. Orders from before this have an amount only.
CREATE TABLE items (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    -- Its place in the order, counted from 1.
    line INTEGER NOT NULL CHECK (line > 0),
    article TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    -- Of one piece, in minor units (cents).
    price INTEGER NOT NULL CHECK (price > 0),
    PRIMARY KEY (order_id, line)
) STRICT, WITHOUT ROWID;
