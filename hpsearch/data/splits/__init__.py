"""Splits: which rows train, validate and test."""
