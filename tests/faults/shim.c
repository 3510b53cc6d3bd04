/* Stands between a program and the C library (LD_PRELOAD), counts what changes files below a folder, and lets the
   N-th such call fail once, or it and all that follow, or stops the program at chosen ones, where others may kill it.
   Python, HDF5 and TensorFlow all come through here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PASS, FAIL };
enum { COUNT, ONCE, FULL, STOP, MOST = 20000 };

static char root[4096];
static long count, at;
static int mode;
static char names[MOST][200], stops[MOST + 1];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* From now on calls below `folder` count; an empty one ends it. */
void faults_arm(const char *folder, long number, int how) {
  pthread_mutex_lock(&mutex);
  snprintf(root, sizeof root, "%s", folder);
  count = 0, at = number, mode = how;
  memset(stops, 0, sizeof stops);
  pthread_mutex_unlock(&mutex);
}
/* Of an armed program: one of the calls at which it stops. */
void faults_stop_at(long number) { stops[number] = 1; }
long faults_count(void) { return count; }
const char *faults_name(long number) { return names[number - 1]; }

#define REAL(result, name, ...) \
  static result (*real)(__VA_ARGS__); \
  if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int is_below(const char *path) {
  size_t length = strlen(root);
  return length && !strncmp(path, root, length);
}

static int path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return 1;
}

/* Decides about one call. A write that is cut in two, by a stop or a disk that is full, is `half`. */
static int decide(const char *what, const char *path, int *half) {
  if (!root[0] || !is_below(path)) return PASS;
  pthread_mutex_lock(&mutex);
  long number = ++count;
  if (number <= MOST) snprintf(names[number - 1], sizeof names[0], "%s %.180s", what, path + strlen(root));
  int stop = mode == STOP && number <= MOST && stops[number];
  int hit = stop || (mode != COUNT && (number == at || (mode == FULL && number > at)));
  pthread_mutex_unlock(&mutex);
  if (!hit) return PASS;
  if (half) *half = stop || (number == at && mode == FULL);
  if (stop && !half) return raise(SIGSTOP), PASS;
  errno = !strcmp(what, "rename") || !strcmp(what, "unlink") || !strcmp(what, "fsync") ? EIO : ENOSPC;
  return FAIL;
}

static int decide_at(const char *what, int dir, const char *path) {
  char whole[8192];
  if (!root[0]) return PASS;
  if (path[0] == '/') return decide(what, path, NULL);
  if (dir == AT_FDCWD ? !getcwd(whole, 4096) : !path_of(dir, whole, 4096)) return PASS;
  strcat(whole, "/"), strncat(whole, path, 4000);
  return decide(what, whole, NULL);
}

static int decide_fd(const char *what, int fd, int *half) {
  char path[4096];
  if (!root[0] || !path_of(fd, path, sizeof path)) return PASS;
  return decide(what, path, half);
}

static int writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT; }

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(int, #name, const char *, int, ...); \
    va_list more; va_start(more, flags); mode_t rights = va_arg(more, mode_t); va_end(more); \
    if (writes(flags) && decide_at("open", AT_FDCWD, path)) return -1; \
    return real(path, flags, rights); \
  }
OPEN(open) OPEN(open64)

#define OPENAT(name) \
  int name(int dir, const char *path, int flags, ...) { \
    REAL(int, #name, int, const char *, int, ...); \
    va_list more; va_start(more, flags); mode_t rights = va_arg(more, mode_t); va_end(more); \
    if (writes(flags) && decide_at("open", dir, path)) return -1; \
    return real(dir, path, flags, rights); \
  }
OPENAT(openat) OPENAT(openat64)

#define FOPEN(name) \
  FILE *name(const char *path, const char *how) { \
    REAL(FILE *, #name, const char *, const char *); \
    if (strpbrk(how, "wa+") && decide_at("open", AT_FDCWD, path)) return NULL; \
    return real(path, how); \
  }
FOPEN(fopen) FOPEN(fopen64)

/* Who is not killed between the halves of a write goes on with the other. */
static int stops_between(int half) { return half && mode == STOP && !raise(SIGSTOP); }

ssize_t write(int fd, const void *data, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  int half = 0;
  if (!decide_fd("write", fd, &half)) return real(fd, data, size);
  ssize_t done = half && size > 1 ? real(fd, data, size / 2) : 0;
  if (done >= 0 && stops_between(half)) {
    ssize_t rest = real(fd, (const char *)data + done, size - done);
    return rest < 0 ? rest : done + rest;
  }
  return errno = ENOSPC, -1;
}

#define PWRITE(name) \
  ssize_t name(int fd, const void *data, size_t size, off_t place) { \
    REAL(ssize_t, #name, int, const void *, size_t, off_t); \
    int half = 0; \
    if (!decide_fd("write", fd, &half)) return real(fd, data, size, place); \
    ssize_t done = half && size > 1 ? real(fd, data, size / 2, place) : 0; \
    if (done >= 0 && stops_between(half)) { \
      ssize_t rest = real(fd, (const char *)data + done, size - done, place + done); \
      return rest < 0 ? rest : done + rest; \
    } \
    return errno = ENOSPC, -1; \
  }
PWRITE(pwrite) PWRITE(pwrite64)

ssize_t writev(int fd, const struct iovec *parts, int number) {
  REAL(ssize_t, "writev", int, const struct iovec *, int);
  return decide_fd("write", fd, NULL) ? -1 : real(fd, parts, number);
}

ssize_t sendfile64(int to, int from, off_t *offset, size_t size) {
  REAL(ssize_t, "sendfile64", int, int, off_t *, size_t);
  return decide_fd("write", to, NULL) ? -1 : real(to, from, offset, size);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t size) { return sendfile64(to, from, offset, size); }

/* What a stream has not yet passed on is lost with the program. */
static void drop(FILE *stream) {
  int nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, fileno(stream));
  close(nowhere);
}

size_t fwrite(const void *data, size_t size, size_t number, FILE *stream) {
  REAL(size_t, "fwrite", const void *, size_t, size_t, FILE *);
  return decide_fd("write", fileno(stream), NULL) ? 0 : real(data, size, number, stream);
}

int fflush(FILE *stream) {
  REAL(int, "fflush", FILE *);
  if (stream && __fpending(stream) && decide_fd("write", fileno(stream), NULL)) return EOF;
  return real(stream);
}

int fclose(FILE *stream) {
  REAL(int, "fclose", FILE *);
  if (__fpending(stream) && decide_fd("write", fileno(stream), NULL)) {
    int error = errno;
    drop(stream);
    real(stream);
    return errno = error, EOF;
  }
  return real(stream);
}

#define OF_FD(name, what) \
  int name(int fd) { \
    REAL(int, #name, int); \
    return decide_fd(what, fd, NULL) ? -1 : real(fd); \
  }
OF_FD(fsync, "fsync") OF_FD(fdatasync, "fsync")

#define TRUNCATE(name) \
  int name(int fd, off_t size) { \
    REAL(int, #name, int, off_t); \
    return decide_fd("write", fd, NULL) ? -1 : real(fd, size); \
  }
TRUNCATE(ftruncate) TRUNCATE(ftruncate64)

#define OF_PATH(name, what) \
  int name(const char *path) { \
    REAL(int, #name, const char *); \
    return decide_at(what, AT_FDCWD, path) ? -1 : real(path); \
  }
OF_PATH(unlink, "unlink") OF_PATH(remove, "unlink") OF_PATH(rmdir, "unlink")

int unlinkat(int dir, const char *path, int flags) {
  REAL(int, "unlinkat", int, const char *, int);
  return decide_at("unlink", dir, path) ? -1 : real(dir, path, flags);
}

int mkdir(const char *path, mode_t rights) {
  REAL(int, "mkdir", const char *, mode_t);
  return decide_at("mkdir", AT_FDCWD, path) ? -1 : real(path, rights);
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  return decide_at("rename", AT_FDCWD, to) ? -1 : real(from, to);
}

int renameat(int dir, const char *from, int other, const char *to) {
  REAL(int, "renameat", int, const char *, int, const char *);
  return decide_at("rename", other, to) ? -1 : real(dir, from, other, to);
}

int renameat2(int dir, const char *from, int other, const char *to, unsigned flags) {
  REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
  return decide_at("rename", other, to) ? -1 : real(dir, from, other, to, flags);
}

int link(const char *from, const char *to) {
  REAL(int, "link", const char *, const char *);
  return decide_at("link", AT_FDCWD, to) ? -1 : real(from, to);
}
