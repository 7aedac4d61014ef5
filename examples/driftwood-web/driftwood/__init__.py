"""Driftwood: high water at a few made-up places on the coast. The sample service of Slipway."""
