"""What `slipway preview` is made of: plain data in, a report out; only `run` and `registry` speak to anything."""
