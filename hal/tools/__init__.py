"""Tools for people who bring models to devices: what the ``hal`` command's larger parts do."""
