-- The newest loss or return of each device, so that a restart does not ask dead ones as if they lived.
CREATE TABLE device_state (
    bus     TEXT    NOT NULL,
    address INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    PRIMARY KEY (bus, address)
) STRICT;
