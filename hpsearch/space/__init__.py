"""The search space: parameters, the conditions and constraints between them, and its unit cube.

Every point of a space has coordinates in a cube of numbers from 0 to 1, in which strategies search.
`Space.encode` and `Space.decode` lead there and back, and each parameter owns its part of the map.
"""
