// user/httpd/httpd.h: a server of static files by HTTP/1.1, one thread for all
// connections.  main.c has the sockets, http.c what goes through them.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_SIZE = 8192, HEAD_SIZE = 512, PIECE_SIZE = 16384 };

// A connection: a request is gathered, answered, and the next one is begun.
struct connection {
    int fd; // -1: there is none
    bool answering, last;
    size_t in; // bytes of `request`
    char request[REQUEST_SIZE];

    // What is still to be sent: bytes [at, out) of `piece`, then `left` bytes
    // of the file.
    size_t at, out;
    char piece[PIECE_SIZE];
    int file; // -1: none
    uint64_t left;
};

// Begin to answer the request at the start of c->request and take it out;
// false: it is not whole yet.
bool http_answer(struct connection *c, const char *root);

// Let there be more of the answer in c->piece, if there is more; false: the
// file cannot be read any more.
bool http_fill(struct connection *c);
