# Build options of this board, as -D<name>=<value>. What no data sheet at hand settles stands here, with the safest value first.
set(AED_BAUDRATE 115200 CACHE STRING "bits per second on the ST-LINK's port: 115200 or 921600")
set(AED_WATCHDOG_SECONDS 30 CACHE STRING "1 to 131; 0 leaves the watchdog off")
set(AED_USE_SMPS 0 CACHE STRING "1: core supply from the switching regulator; 0: linear, as after reset")
set(AED_ICACHE_WAYS 2 CACHE STRING "2 or 1")
set(AED_MIC_EDGE 0 CACHE STRING "clock edge on which the microphone's bit is taken: 0 rising, 1 falling")
set(AED_MIC_SCALE 2 CACHE STRING "code of the filter's gain, 0 to 63: 2 is +6 dB (as ST's demo), 44 is -12 dB (can't saturate)")
set(AED_MLPERF 0 CACHE STRING "console of the MLPerf Tiny benchmark instead of the link: 0 off, 1 kws01, 2 ic01, 3 ad01, 4 vww01")
set(AED_BOARD_OPTIONS AED_MLPERF AED_BAUDRATE AED_WATCHDOG_SECONDS AED_USE_SMPS AED_ICACHE_WAYS AED_MIC_EDGE AED_MIC_SCALE)
