-- What each call ladder has done since it last began, so that a restart goes on where it was: rows of
-- the ladder's earlier rounds go when it begins (again).
CREATE TABLE call_state (
    seq    INTEGER PRIMARY KEY,   -- of the record
    rule   TEXT NOT NULL,
    ladder TEXT NOT NULL,
    body   BLOB NOT NULL
) STRICT;

CREATE INDEX call_state_ladder ON call_state (rule, ladder);
