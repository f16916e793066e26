# The engine over nn_c, for which pyaed generates C by itself.
set(AED_ENGINE_LIBRARIES aed_nn)
