# Build options of this board, as -D<name>=<value>.
set(AED_MLPERF 0 CACHE STRING "console of the MLPerf Tiny benchmark instead of the link: 0 off, 1 kws01, 2 ic01, 3 ad01, 4 vww01")
set(AED_BOARD_OPTIONS AED_MLPERF)
