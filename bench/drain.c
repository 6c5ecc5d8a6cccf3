/* What a server can send: asks for one large body again and again over a few connections, for so many seconds, and
 * throws away what comes in the kernel (MSG_TRUNC), so that whoever asks takes next to nothing of the processors.
 *
 * usage: drain PORT CONNECTIONS SECONDS PATH
 * Prints bytes of bodies that came, and the seconds that took. Any answer but a whole 200 ends it.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 16 << 10, PIECE = 4 << 20 };
static int port;
static const char *path;
static double end;
static long long bytes;

static void fail(const char *what) {
  fprintf(stderr, "drain: %s: %s\n", path, what);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int dial(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to)) fail("cannot connect");
  return s;
}

/* Asks, and gives how much of the body is still to come. */
static long long ask(int s) {
  char buffer[HEAD], *body = NULL, *field;
  int asked = snprintf(buffer, HEAD, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
  ssize_t got, have = 0;
  if (write(s, buffer, asked) != asked) fail("cannot ask");
  while (!body) {
    if (have == HEAD - 1 || (got = recv(s, buffer + have, HEAD - 1 - have, 0)) <= 0) fail("no answer");
    have += got;
    buffer[have] = 0;
    body = strstr(buffer, "\r\n\r\n");
  }
  if (strncmp(buffer, "HTTP/1.1 200", 12)) fail("another answer than 200");
  if (!(field = strcasestr(buffer, "\r\nContent-Length:")) || field > body) fail("no Content-Length");
  long long came = buffer + have - (body + 4);
  __atomic_fetch_add(&bytes, came, __ATOMIC_RELAXED);
  return atoll(field + 17) - came;
}

static void *work(void *unused) {
  int s = dial();
  while (now() < end) {
    ssize_t got;
    for (long long left = ask(s); left > 0 && now() < end; left -= got) {
      if ((got = recv(s, NULL, left < PIECE ? left : PIECE, MSG_TRUNC)) <= 0) fail("cut short");
      __atomic_fetch_add(&bytes, got, __ATOMIC_RELAXED);
    }
  }
  close(s);
  return unused;
}

int main(int argc, char **argv) {
  pthread_t threads[64];
  path = argc == 5 ? argv[4] : "usage: drain PORT CONNECTIONS SECONDS PATH";
  if (argc != 5) fail("arguments");
  port = atoi(argv[1]);
  int connections = atoi(argv[2]) < 64 ? atoi(argv[2]) : 64;
  double begin = now();
  end = begin + atof(argv[3]);
  for (int t = 0; t < connections; t++) pthread_create(&threads[t], NULL, work, NULL);
  for (int t = 0; t < connections; t++) pthread_join(threads[t], NULL);
  printf("%lld %f\n", bytes, now() - begin);
  return 0;
}
