"""Services for tests: PostgreSQL and Ceph, started on loopback and ended again."""
