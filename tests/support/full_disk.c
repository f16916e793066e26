/* A disk that is full (or fails otherwise) from the n-th write on: preloaded into a process, for what is written below
   one folder. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static long left = -1;
static long count;
static int failure;

/* Writes below `path` are counted; from number `n` on (0: the first) they fail with `error`, a negative `n` only counts. */
void full_disk_arm(const char *path, long n, int error) {
  snprintf(folder, sizeof folder, "%s", path);
  left = n;
  failure = error;
  count = 0;
}

long full_disk_count(void) {
  return count;
}

static int full(const char *path) {
  if (!folder[0] || strncmp(path, folder, strlen(folder)) != 0) {
    return 0;
  }
  const long number = __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
  if (left < 0 || number < left) {
    return 0;
  }
  errno = failure;
  return 1;
}

static int full_fd(int fd) {
  char link[64];
  char path[PATH_MAX];
  if (!folder[0]) {
    return 0;
  }
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) {
    return 0;
  }
  path[n] = 0;
  return full(path);
}

static int full_name(const char *name) {
  char path[2 * PATH_MAX];
  char here[PATH_MAX];
  if (!folder[0] || name[0] == '/') {
    return full(name);
  }
  if (!getcwd(here, sizeof here)) {
    return 0;
  }
  snprintf(path, sizeof path, "%s/%s", here, name);
  return full(path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
  return full_fd(fd) ? -1 : NEXT(write)(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  return full_fd(fd) ? -1 : NEXT(pwrite)(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  return full_fd(fd) ? -1 : NEXT(pwrite64)(fd, data, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
  return full_fd(fd) ? -1 : NEXT(writev)(fd, parts, n);
}

ssize_t sendfile(int out, int in, off_t *at, size_t size) {
  return full_fd(out) ? -1
                      : ((ssize_t(*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile"))(
                            out, in, at, size);
}

ssize_t sendfile64(int out, int in, off64_t *at, size_t size) {
  return full_fd(out) ? -1
                      : ((ssize_t(*)(int, int, off64_t *, size_t))dlsym(RTLD_NEXT, "sendfile64"))(
                            out, in, at, size);
}

size_t fwrite(const void *data, size_t size, size_t n, FILE *file) {
  return full_fd(fileno(file)) ? 0 : NEXT(fwrite)(data, size, n, file);
}

int ftruncate64(int fd, off64_t size) {
  return full_fd(fd) ? -1 : NEXT(ftruncate64)(fd, size);
}

int rename(const char *from, const char *to) {
  return full_name(to) ? -1 : NEXT(rename)(from, to);
}

int mkdir(const char *path, mode_t mode) {
  return full_name(path) ? -1 : NEXT(mkdir)(path, mode);
}

int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  return (flags & O_CREAT) && full_name(path) ? -1 : NEXT(open64)(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  return (flags & O_CREAT) && full_name(path) ? -1 : NEXT(open)(path, flags, mode);
}
