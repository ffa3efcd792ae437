"""The alarm agent: vocabulary (core), the walk (engine), composition (app) and commands (cli)."""
