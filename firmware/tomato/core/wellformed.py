"""Is a message what the table of the wire says it is? Types, ranges, required and unknown fields."""

from tomato import contract as c

_KINDS = (int, bytes, str, list, dict)


def check_message(type_id, msg):
    """R_NONE when the body fits its row in the table, else the reason to refuse it."""
    row = c.TO_BOARD.get(type_id)
    if row is None:
        return c.R_UNKNOWN_TYPE
    if not isinstance(msg, dict):
        return c.R_MALFORMED
    required, allowed, _ = row
    for key in required:
        if key not in msg:
            return c.R_MALFORMED
    for key in msg:
        if key not in allowed or not fits(key, msg[key]):
            return c.R_MALFORMED
    return c.R_NONE


def fits(key, value):
    """True when the value has the type and range of its field."""
    kind = c.FIELD_KIND[key]
    if isinstance(value, bool) or not isinstance(value, _KINDS[kind]):
        return False
    return c.FIELD_LOWEST[key] <= (len(value) if kind else value) <= c.FIELD_HIGHEST[key]
