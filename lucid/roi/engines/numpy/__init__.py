"""The engine that is always there: crops and gradients as matrix products by NumPy.

From boxes to crops, with the shapes for K RoIs, G of which are in a batch::

    boxes (K, 4)       operator.windows    where each RoI lies on its map: `Geometry`
    windows (2, K)     operator.taps       per axis and bin: cells, weights, slopes: `Taps`
    taps (n,)          a pass's layout     how cells are listed, band by band: `BandLayout`
    bands              groups, batches     row_weights (G, R, M, L), col_weights alike: `Batch`
    maps (C, H, W)     channels_last       the touched cells as a table (cells, C)
    table              take                patch (G, n, w, C): the listed rows and columns
    patch              row_weights @       by_row (G, PH, w, C)
    by_row             col_weights @       bins (G, PH, PW, C), seen as crops (G, C, PH, PW)

Gradients go the same way back: `col_weights.T @`, `row_weights.T @`, added to a table. What
weights are for is a pass (`passes`): crops, the gradient of boxes, the gradient of features.

A line is one axis of a RoI. Three bins of a line that touch 7 cells of a map, 10 to 16::

    cell               10 11 12 13 14 15 16
    bin 0 weights       a  b  c  .  .  .  .
    bin 1 weights       .  .  d  e  f  .  .
    bin 2 weights       .  .  .  .  g  h  i

    form               list of cells n                   bands R  bins M  cells L  step
    one band           10 11 12 13 14 15 16              1        3       7        -
    a band per bin     10 11 12 | 12 13 14 | 14 15 16    3        1       3        3
    at a stride        10 11 12 13 14 15 16              3        1       3        2

One band reads each cell once, but more than half of its weights are zeros. A band per bin has no
zeros and lists cells twice that neighbours share. Bands at a stride do neither, where bins are
evenly spaced. Numbers of cells are rounded up, so that RoIs of like size form one group.
"""
