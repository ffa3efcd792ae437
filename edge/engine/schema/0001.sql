-- seq is never reused (AUTOINCREMENT), also not after eviction.
CREATE TABLE record (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT    NOT NULL,
    urgency  INTEGER NOT NULL,   -- 0 alarm, 1 state, 2 telemetry; lower goes first and is evicted last
    utc_ms   INTEGER NOT NULL,
    quality  TEXT    NOT NULL,   -- of the wall clock: synced, unsynced, unknown
    body     BLOB    NOT NULL    -- deterministic CBOR; for kind 'block' the block itself
) STRICT;

CREATE INDEX record_urgency ON record (urgency, seq);

-- 'epoch' is drawn when the file is made, so (site, epoch, seq) is unique even after a file was set aside.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- The newest alarm record of each rule, so that a restart need not scan the journal.
CREATE TABLE alarm_state (
    rule TEXT    PRIMARY KEY,
    seq  INTEGER NOT NULL,
    body BLOB    NOT NULL
) STRICT;
