"""One set of cases for every adapter, the grounds they are run on, and the cards that say what came of them.

Nothing here names a broker or needs a test framework; `testkit` holds what an adapter's author imports.
"""
