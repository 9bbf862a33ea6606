"""Names that no product file may have."""

BAD_NAMES = {
    "empty": "",
    "here": ".",
    "parent": "..",
    "hidden": ".profile",
    "in_a_folder": "a/b",
    "absolute": "/etc/passwd",
    "climbing": "../up",
    "windows_folder": "a\\b",
    "nul": "a\0b",
    "newline": "a\nb",
    "escape": "a\x1b[2Jb",
    "bidi": "fdp.\u202eexe.txt",
    "isolate": "a\u2066b",
    "201_bytes": "n" * 201,
    "256_bytes": "n" * 256,
    "202_bytes_of_utf8": "ä" * 101,
    "device": "con.txt",
}
