/* The version of the C interface: all public headers of dsp_c, nn_c and detector_c together.
 *
 * Semantic versioning. MAJOR is raised when callers must change: a name, a parameter, a field or a
 * documented behaviour went or means something else. MINOR is raised when something was added that
 * callers may ignore, PATCH when nothing of the interface changed. Fields of structures that
 * belong to the caller and are said to be private are no part of it. */
#ifndef AED_VERSION_H
#define AED_VERSION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
#define AED_VERSION_MAJOR 1
#define AED_VERSION_MINOR 0
#define AED_VERSION_PATCH 0

/* AED_VERSION of the headers that the library was built with. A caller of the same major version,
 * and of no newer a minor one, may use it. */
uint32_t aed_version(void);
/* cffi: end */

/* One number to compare: #if AED_VERSION >= 10200 means 1.2.0 or newer. */
#define AED_VERSION (AED_VERSION_MAJOR * 10000 + AED_VERSION_MINOR * 100 + AED_VERSION_PATCH)

#ifdef __cplusplus
}
#endif

#endif
