"""Slipway as a Pulumi plugin: the components of `components/`, served to TypeScript, Go and YAML."""
