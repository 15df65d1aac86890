-- People look for sagas with a step that fails, among all that sleep.
CREATE INDEX failing_steps ON {schema}.entries (saga) WHERE event = 'failing';
