"""The leaderboard of a study, and what a search shows while it runs."""
