-- A checksum of what is written once and never changed, so that a damaged row is known as such. Rows of older versions have none.

ALTER TABLE sagas ADD COLUMN checksum INTEGER;   -- of number, id, name, version, fingerprint, input and started_at
ALTER TABLE entries ADD COLUMN checksum INTEGER; -- of all other columns
