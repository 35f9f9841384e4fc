"""The campaign: mutated raw files, killed commands, full disks and hostile inputs, drawn by a seed and counted.

`python -m tests.campaign` runs it, or `make campaign`; a part of it runs with the tests. A module for each kind of
input has a `KIND`; `runner` runs its cases in processes with limits, `report` counts what came of them.
"""
