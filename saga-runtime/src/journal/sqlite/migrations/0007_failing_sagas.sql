-- People look for sagas with a step that fails, among all that sleep.

CREATE INDEX failing_steps ON entries (saga) WHERE event = 'failing';
