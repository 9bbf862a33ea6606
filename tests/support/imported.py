"""Imported by the server that forks programs: everything that a command could import later."""

import importlib
import pkgutil

import veilmart

OTHERS = (
    "aiohttp",
    "psycopg",
    "rich.table",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)

for found in pkgutil.walk_packages(veilmart.__path__, "veilmart."):
    if not (found.name.endswith("__main__") or ".migrations." in found.name):
        importlib.import_module(found.name)
for name in OTHERS:
    importlib.import_module(name)
