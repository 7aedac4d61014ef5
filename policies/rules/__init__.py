"""The rules, one file a family; imported one by one, so that a path loads only what it needs."""
