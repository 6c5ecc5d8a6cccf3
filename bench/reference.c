/* The bare work behind a sync: makes the listed requests over a few kept-alive connections, hashes each body while it
 * arrives, writes it to a file and compares the digest. It decides nothing and links nothing, and makes files durable
 * only if it is told to, so its time is a bound that no mirror can beat by much.
 *
 * usage: reference PORT CONNECTIONS DIRECTORY [fsync] <LIST
 * One request a line: METHOD PATH SHA256, the last one "-" where there is no body to keep.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of libcrypto, declared here so that its headers need not be installed. */
extern void *EVP_MD_CTX_new(void);
extern void EVP_MD_CTX_free(void *);
extern const void *EVP_sha256(void);
extern int EVP_DigestInit_ex(void *, const void *, void *);
extern int EVP_DigestUpdate(void *, const void *, size_t);
extern int EVP_DigestFinal_ex(void *, unsigned char *, unsigned *);

#define ACCEPT                                                                                                         \
  "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "                              \
  "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"

enum { BUFFER = 1 << 20, MOST = 100000 };
static struct { char method[8], path[300], digest[65]; } requests[MOST];
static int count, next_one, port, is_durable;
static const char *directory;

static void fail(const char *what, const char *path) {
  fprintf(stderr, "reference: %s: %s\n", path, what);
  exit(1);
}

static int dial(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to)) fail("cannot connect", "127.0.0.1");
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return s;
}

static void take(int i, int s, void *hash, char *buffer) {
  const char *path = requests[i].path;
  int has_body = strcmp(requests[i].method, "HEAD") != 0, keep = requests[i].digest[0] != '-', file = -1;
  int asked = snprintf(buffer, BUFFER, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: " ACCEPT "\r\n\r\n",
                       requests[i].method, path);
  if (write(s, buffer, asked) != asked) fail("cannot ask", path);
  ssize_t got, have = 0;
  char *end = NULL, *field;
  while (!end) {
    if (have == BUFFER - 1 || (got = recv(s, buffer + have, BUFFER - 1 - have, 0)) <= 0) fail("no answer", path);
    have += got;
    buffer[have] = 0;
    end = strstr(buffer, "\r\n\r\n");
  }
  *end = 0;
  if (strncmp(buffer, "HTTP/1.1 200", 12)) fail(buffer, path);
  if (!(field = strcasestr(buffer, "\r\nContent-Length:"))) fail("no Content-Length", path);
  long long left = has_body ? atoll(field + 17) : 0;
  char *body = end + 4, name[512];
  have -= body - buffer;
  EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
  snprintf(name, sizeof name, "%s/%s", directory, requests[i].digest);
  if (keep && (file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0) fail("cannot create", name);
  for (;;) {
    EVP_DigestUpdate(hash, body, have);
    if (keep && write(file, body, have) != have) fail("cannot write", name);
    if ((left -= have) <= 0) break;
    body = buffer;
    if ((have = recv(s, buffer, left < BUFFER ? left : BUFFER, 0)) <= 0) fail("cut short", path);
  }
  if (!keep) return;
  unsigned char sum[32];
  char hex[65];
  EVP_DigestFinal_ex(hash, sum, NULL);
  for (int b = 0; b < 32; b++) sprintf(hex + 2 * b, "%02x", sum[b]);
  if (strcmp(hex, requests[i].digest)) fail("another digest", path);
  if (is_durable && fsync(file)) fail("cannot sync", name);
  close(file);
}

static void *work(void *unused) {
  int i, s = dial();
  char *buffer = malloc(BUFFER);
  void *hash = EVP_MD_CTX_new();
  while ((i = __atomic_fetch_add(&next_one, 1, __ATOMIC_RELAXED)) < count) take(i, s, hash, buffer);
  EVP_MD_CTX_free(hash);
  free(buffer);
  close(s);
  return unused;
}

int main(int argc, char **argv) {
  if (argc != 4 && argc != 5) fail("usage: reference PORT CONNECTIONS DIRECTORY [fsync] <LIST", "arguments");
  port = atoi(argv[1]);
  directory = argv[3];
  is_durable = argc == 5;
  while (count < MOST && scanf("%7s %299s %64s", requests[count].method, requests[count].path, requests[count].digest) == 3)
    count++;
  pthread_t threads[64];
  int connections = atoi(argv[2]) < 64 ? atoi(argv[2]) : 64;
  for (int t = 0; t < connections; t++) pthread_create(&threads[t], NULL, work, NULL);
  for (int t = 0; t < connections; t++) pthread_join(threads[t], NULL);
  return 0;
}
