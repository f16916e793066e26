/* Status codes of every pyaed C function: 0 is success, errors are negative, so that a positive
 * value may be a result. */
#ifndef AED_STATUS_H
#define AED_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
typedef enum {
  AED_OK = 0,
  AED_ERR_ARGUMENT = -1,    /* an argument is out of its documented range */
  AED_ERR_SIZE = -2,        /* a buffer is too small or a length is wrong */
  AED_ERR_STATE = -3,       /* called at the wrong time */
  AED_ERR_UNSUPPORTED = -4, /* not built into this image */
  AED_ERR_IO = -5           /* the outside world failed */
} aed_status;
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
