"""What lasts: tables, queries, jobs, migrations."""
