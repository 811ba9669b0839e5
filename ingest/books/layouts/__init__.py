"""Files of brokers: their layouts as data (one TOML file each), and what reads a file by one."""
