"""What `slipway releases`, `approve`, `prove` and `clean-registry` share beside the functions in steps/."""
