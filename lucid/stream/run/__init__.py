"""Tasks to rows: in this process or in others."""
