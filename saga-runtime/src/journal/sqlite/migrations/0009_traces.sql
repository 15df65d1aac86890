-- A saga belongs to the trace of the span that submitted it, as W3C Trace Context writes it. The checksum covers it.

ALTER TABLE sagas ADD COLUMN traceparent TEXT;
ALTER TABLE sagas ADD COLUMN tracestate TEXT;
