-- The newest beginning or end of a drill and of a walk-test: neither goes on after a restart, which must
-- silence what was left sounding.
CREATE TABLE exercise_state (
    kind TEXT    PRIMARY KEY,
    seq  INTEGER NOT NULL,
    body BLOB    NOT NULL
) STRICT;
