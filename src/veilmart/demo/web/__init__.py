"""The demonstration in the browser: three columns, live."""
