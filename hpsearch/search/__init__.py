"""The search itself: the one loop, the plan that it follows, and the way in from Python."""
