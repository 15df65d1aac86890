-- Workers ask something of the worker that holds a saga.
ALTER TABLE {schema}.open_sagas
    ADD COLUMN called  boolean NOT NULL DEFAULT false,  -- an operator at another worker waits for its release
    ADD COLUMN watched boolean NOT NULL DEFAULT false;  -- a caller at another worker waits for its end

-- Events for sagas that are held. The append of the same event removes one, and so does the end of its saga.
CREATE TABLE {schema}.posted_events (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    saga    bigint NOT NULL,
    name    text   NOT NULL,
    key     text   NOT NULL,
    payload text   NOT NULL
);
CREATE INDEX posted_events_by_saga ON {schema}.posted_events (saga);
