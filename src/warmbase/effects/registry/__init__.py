"""The registry client: pull, push, mount, list and delete, as the OCI distribution specification 1.1 has it."""
