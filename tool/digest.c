// tool/digest.c: SHA-256, of OpenSSL: its plain functions, linked statically,
// which load no library and no configuration.

#define OPENSSL_API_COMPAT 0x10100000L // these functions may be used

#include "tool/tool.h"

#include <openssl/sha.h>

enum { PIECE = 1 << 30 };

struct digest
digest_of(struct bytes bytes)
{
    struct digest digest;
    SHA256_CTX state;

    _Static_assert(sizeof(digest.bytes) == SHA256_DIGEST_LENGTH, "SHA-256");
    SHA256_Init(&state);
    for (u64 at = 0; at < bytes.size; at += PIECE)
        SHA256_Update(&state, bytes.ptr + at, MIN(bytes.size - at, (u64)PIECE));
    SHA256_Final(digest.bytes, &state);
    return digest;
}

void
digest_text(char to[DIGEST_TEXT], const struct digest *digest)
{
    for (u32 i = 0; i < sizeof(digest->bytes); i++)
        snprintf(to + 2 * i, 3, "%02x", digest->bytes[i]);
}
