-- One link per audited record, in order of seq: see docs/audit.md. A record may be evicted; its link
-- stays, so that the chain can still be walked, until the oldest links are dropped with a record of it.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,   -- of the record
    n       INTEGER NOT NULL,      -- 1, 2, 3 ... without holes
    run     TEXT    NOT NULL,      -- which start of the agent
    config  TEXT    NOT NULL,      -- SHA-256 of the configuration that was in force
    mono_ms INTEGER NOT NULL,      -- monotonic time of the box when the journal took the record
    digest  BLOB    NOT NULL,      -- SHA-256 over all of the record
    head    BLOB    NOT NULL       -- SHA-256 over the head before it and the digest
) STRICT;

-- Where the chain begins: after record seq. n is 0 unless older links were dropped.
CREATE TABLE audit_base (
    n    INTEGER PRIMARY KEY,
    seq  INTEGER NOT NULL,
    head BLOB    NOT NULL
) STRICT;
