"""Twins: simulated devices that speak real bytes, in virtual time, on pseudo-terminals, over TCP.

- what answers (pure, fed with bytes): modbus_slave, modbus_unit, ascii_sensor; wrongly: faults
- what it answers from: world (signals over time), village and outputs (device models)
- what carries it: pacing (pure), virtual_port (a Clock), pty_line (pseudo-terminal), tcp_line
- all lines of a site in one process: ``python -m tools.twins LINES.toml`` (site, control)
- independent judges as slaves: libmodbus_slave, pymodbus_slave; pty_pair links terminals
"""
