// user/ninep/ninep.h: files of the host, by 9P: what the parts of this driver
// share.  wire.c: messages and the queue of the device; error.c: errors of
// Linux; main.c: the requests of the kernel (struct nebulet_file_request), but
// those that move data, which are in contents.c.

#pragma once

#include <nebulet.h>
#include <sip_files.h>
#include <stdbool.h>
#include <stdint.h>

// Messages that are sent; the reply to each is one more.
enum {
    T_STATFS = 8,
    T_LOPEN = 12,
    T_LCREATE = 14,
    T_SYMLINK = 16,
    T_READLINK = 22,
    T_GETATTR = 24,
    T_SETATTR = 26,
    T_READDIR = 40,
    T_FSYNC = 50,
    T_LINK = 70,
    T_MKDIR = 72,
    T_RENAMEAT = 74,
    T_UNLINKAT = 76,
    T_VERSION = 100,
    T_ATTACH = 104,
    T_WALK = 110,
    T_READ = 116,
    T_WRITE = 118,
    T_CLUNK = 120,
};

enum {
    ALL_ONES = -1,      // no fid, no user: as whom the server runs
    MESSAGE = 2 * 4096, // bytes of a message without data
    CHUNK = 64 * 1024,  // bytes of data in one, at most
    HEAD = 7,           // size, type, tag
};

// A message and its reply.
struct rpc {
    uint16_t tag;             // and the token of the device's request
    bool busy;                // the device has it
    uint32_t size, at, limit; // of `sent`; where in the reply we are, its end
    bool bad;                 // the reply ends before it should
    int32_t error;            // WASI's, once it is not busy
    // What follows `sent` or `got`, or NULL: data that is not copied.
    uint8_t *data;
    uint32_t data_size;
    bool reads;         // data is filled by the server
    uint32_t head_size; // of the reply in front of such data
    uint8_t *sent, *got;
    uint32_t got_room;
};

// wire.c: find the device and start it; false after a complaint.
bool wire_start(uint32_t device);

// Begin a message of this type in r, which is not busy.
void rpc_begin(struct rpc *r, uint8_t type);
void put_8(struct rpc *r, uint8_t value);
void put_32(struct rpc *r, uint32_t value);
void put_64(struct rpc *r, uint64_t value);
void put_text(struct rpc *r, const void *text, uint32_t size);
// The data of a Twrite; where the data of a Tread or Treaddir goes.
void put_data(struct rpc *r, uint8_t *data, uint32_t size);
void take_data(struct rpc *r, uint8_t *data, uint32_t size);

// Let it go with what is posted; wait for it: 0 or WASI's error.  The first two
// send nothing by themselves.
void rpc_post(struct rpc *r);
int32_t rpc_wait(struct rpc *r);
int32_t rpc_call(struct rpc *r); // both
// Send what is posted, and wait for nothing.
void wire_flush(void);

// What comes next in the reply; 0 behind its end, and then r->bad.
uint8_t get_8(struct rpc *r);
uint16_t get_16(struct rpc *r);
uint32_t get_32(struct rpc *r);
uint64_t get_64(struct rpc *r);
const uint8_t *get_bytes(struct rpc *r, uint32_t size); // NULL: not so many

// main.c: of whoever serves a request; what WASI calls a file of this mode; its
// attributes, 0 or an error.
extern struct rpc main_rpc;
uint32_t type_of_mode(uint32_t mode);
int32_t get_attributes(uint32_t fid, struct nebulet_file_reply *out);

// contents.c: its messages have tags from this one on.
void contents_init(uint16_t tag);
int32_t do_read(struct sip_file_request *q);
int32_t do_write(struct sip_file_request *q);
int32_t do_append(struct sip_file_request *q);
int32_t do_list(struct sip_file_request *q);
// What was read of this fid is of nobody's use: another file may get it.
void contents_close(uint32_t fid);
// What was read ahead is not to be used: something has changed.
void forget_ahead(void);

// error.c: WASI's number of an error of Linux.
int32_t error_of(uint32_t number);
