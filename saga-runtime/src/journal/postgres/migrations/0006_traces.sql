-- A saga belongs to the trace of the span that submitted it, as W3C Trace Context writes it.
ALTER TABLE {schema}.sagas
    ADD COLUMN traceparent text,
    ADD COLUMN tracestate  text;
