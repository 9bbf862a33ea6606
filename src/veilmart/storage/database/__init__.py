"""The database port, its two engines, migrations, isolation. It may import `files`.

`port.Database` is what roles see; `open_database.open_database` chooses the engine.
"""
