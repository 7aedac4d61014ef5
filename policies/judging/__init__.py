"""What every rule stands on: rules, settings, exceptions, and one view of everything that runs a container."""
