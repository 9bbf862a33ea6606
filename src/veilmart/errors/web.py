"""What a page in the browser did that cannot be done (codes 119x)."""

from veilmart.errors.families import CannotDo


class FormInvalid(CannotDo):
    code = 1191
    summary = "The page sent something that cannot be read."
    hint = "Go back, reload the page and try again."


class PageOutdated(CannotDo):
    code = 1192
    summary = "This page is no longer up to date."
    hint = "Go to the start page and begin there again; nothing is done twice."
    http_status = 410


class NameNotConfirmed(CannotDo):
    code = 1193
    summary = "The name that you typed is not the name of what would be changed."
    hint = "Type the name exactly as it is shown."
