-- People look for sagas that are undone for a reason, among all that are not.

CREATE INDEX undone_sagas ON entries (saga) WHERE event = 'compensating';
