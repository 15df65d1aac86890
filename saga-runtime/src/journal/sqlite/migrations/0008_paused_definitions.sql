-- Operators pause definitions. Older versions would run their sagas, and refuse a file of this version.

CREATE TABLE paused_definitions (
    name   TEXT    PRIMARY KEY,
    reason TEXT    NOT NULL,
    at     INTEGER NOT NULL               -- milliseconds since 1970
) WITHOUT ROWID;
