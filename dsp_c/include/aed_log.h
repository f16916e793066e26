/* Natural logarithm of a positive normal float, the same bits on every machine. */
#ifndef AED_LOG_H
#define AED_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* ln(x) for a positive normal x, at most 0.86 ulp off. A smaller x
 * (zero, subnormal, negative) counts as the smallest normal float,
 * 2^-126; infinity and NaN give a finite number without a meaning. */
float aed_log(float x);
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
