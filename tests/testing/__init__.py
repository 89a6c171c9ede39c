"""Tests of the contract suites, over the components that are registered."""
