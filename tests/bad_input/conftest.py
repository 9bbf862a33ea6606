"""A market in one event loop for each module, or for one test alone, over streams and by POST."""

from tests.support.roles_fixtures import impatient, roles, shared, short_slots, template

__all__ = ["impatient", "roles", "shared", "short_slots", "template"]
