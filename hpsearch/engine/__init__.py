"""The training engine: a training is a cohort of stacked members. Outside, only `settings` and `plan` are imported."""
